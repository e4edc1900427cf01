"""Metrics, protocols, BD-rate, reports."""
