from codectk.testing.conformance import CodecConformance


class TestSegPIC(CodecConformance):
    codec = "segpic"


class TestSegPICWithoutTorch(CodecConformance):
    codec = "segpic"
    engine = "onnx"
