// Package boto3 tests the simulated AWS with Python's SDK, which signs and speaks with code of its own.
package boto3
