"""What became of tasks whose resource is gone: read from the manifest that each recording leaves in the store."""
