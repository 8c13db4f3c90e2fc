// Package aliyunsecretsmanager tests the simulated KMS with Alibaba Cloud's caching client, which applications read
// secrets with. It speaks HTTPS only.
package aliyunsecretsmanager
