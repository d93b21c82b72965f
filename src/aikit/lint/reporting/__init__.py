"""A report as others read it: data, GitHub annotations, SARIF."""
