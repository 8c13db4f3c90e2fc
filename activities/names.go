package activities

// SecretOf gives the name of the secret that a step's arguments are about, "" for an activity that is about none.
func SecretOf(args []any) string {
	if len(args) != 1 {
		return ""
	}
	switch in := args[0].(type) {
	case LookInput:
		if req, err := in.Request.Validate(); err == nil {
			return req.Name()
		}
	case StepInput:
		return in.Plan.Secret
	case EndInput:
		return in.Plan.Secret
	case RollbackInput:
		return in.Plan.Secret
	case RetireInput:
		return in.Plan.Secret
	case SampleInput:
		return in.Plan.Secret
	case CheckInput:
		if req, err := in.Request.Validate(); err == nil {
			return req.Name()
		}
	case InspectInput:
		return in.Plan.Secret
	}
	return ""
}
