"""Filters, signal quality, activity and tables of surface EMG."""
