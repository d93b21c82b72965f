"""What people and CI see of an eval: pure renderers, from verdicts to text, JSON, JUnit, Markdown and HTML."""
