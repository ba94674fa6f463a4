"""Pages that people read: the journeys page and the report. Each is one self-contained file that makes no request."""
