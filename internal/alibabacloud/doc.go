// Package alibabacloud makes single calls of Alibaba Cloud's OpenAPI through Alibaba Cloud's SDK, and makes up for what the
// SDK lacks: its calls know no context, a client may not be shared between goroutines, and a request's parameters (a
// secret's value among them) travel in a URL that the SDK prints in errors, logs and traces.
//
// The value of a secret therefore goes around the SDK. The SDK signs a request with it, but the URL that the SDK gets to
// see lacks it; it is put in where the request leaves, and taken out of the answer where that comes in. Answers are decoded
// by the SDK's decoder past its client, which prints them; of errors there is left status, code and request id.
package alibabacloud
