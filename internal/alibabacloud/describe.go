package alibabacloud

import (
	"maps"
	"slices"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// Describe says in one line what a request would ask for: its action and parameters, with *** for the parameter that carries a value,
// if one does. The request is not sent.
func Describe(request requests.AcsRequest, sends string) (string, error) {
	if err := requests.InitParams(request); err != nil {
		return "", err
	}
	params := map[string]string{}
	maps.Copy(params, request.GetQueryParams())
	maps.Copy(params, request.GetFormParams())
	if sends != "" {
		params[sends] = "***"
	}
	line := request.GetActionName()
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if params[name] != "" {
			line += " " + name + "=" + params[name]
		}
	}
	return line, nil
}
