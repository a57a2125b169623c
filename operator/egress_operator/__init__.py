"""The operator: EgressTask in, recorder Pod out, status back (docs/operator.md)."""
