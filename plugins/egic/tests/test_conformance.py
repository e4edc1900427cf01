from codectk.testing.conformance import CodecConformance


class TestEgic(CodecConformance):
    codec = "egic"
    paintings = ({}, {"realism": 0.0}, {"realism": 0.5})


class TestEgicWithoutTorch(CodecConformance):
    codec = "egic"
    engine = "onnx"
