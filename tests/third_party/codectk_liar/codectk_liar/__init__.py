"""Codecs of one coding program that all claim to be portable; the conformance kit finds those that are not."""
