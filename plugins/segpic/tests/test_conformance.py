from codectk.testing.conformance import CodecConformance


class TestSegPIC(CodecConformance):
    codec = "segpic"
