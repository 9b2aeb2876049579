"""The progress of studies, and why a run would be trained again. Read-only; imports no torch unless it must."""
