package alibabakms

import "rotor/internal/cloudsim/alibaba"

func noPermission() *alibaba.Error {
	return alibaba.NewError(403, "Forbidden.NoPermission", "This operation is forbidden by permission system.")
}

// notFound has the prefix Forbidden and the status 404, for a secret, a version and a stage alike.
func notFound() *alibaba.Error {
	return alibaba.NewError(404, "Forbidden.ResourceNotFound", "Resource not found.")
}

func exists() *alibaba.Error {
	return alibaba.NewError(409, "Rejected.ResourceExist", "The resource already exists.")
}

func inDeleteWindow() *alibaba.Error {
	return alibaba.NewError(409, "Rejected.ResourceInDeleteWindow", "The resource is in the deletion window.")
}

func limitExceeded() *alibaba.Error {
	return alibaba.NewError(400, "Rejected.LimitExceeded", "The quota of the resource is exceeded.")
}

func invalid(param string) *alibaba.Error {
	return alibaba.NewError(400, "InvalidParameter", "The specified parameter "+param+" is not valid.")
}
