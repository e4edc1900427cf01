from codectk.testing.conformance import CodecConformance


class TestEgic(CodecConformance):
    codec = "egic"
