// Package alibabacloudkms tests the simulated KMS with Alibaba Cloud's newer SDK, which signs with ACS3-HMAC-SHA256 and
// names action and version in headers.
package alibabacloudkms
