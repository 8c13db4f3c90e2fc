package activities

import (
	"unicode/utf8"

	"rotor/internal/rotation"
)

// Rules are what a worker's configuration says about the secrets of one store.
type Rules struct {
	// Passwords is what a request's policy leaves open.
	Passwords rotation.PasswordPolicy
	// UsernameLimit is how many characters the name of an account may have, beside what the server takes; 0: no other limit.
	UsernameLimit int
	// Region is the only one that the store serves, "" if it serves all.
	Region string
}

// checkAllowed refuses a secret that this worker is not to work on.
func (s *scene) checkAllowed() error {
	p := s.plan
	if err := s.checkRegion(p.Store, p.Region); err != nil {
		return err
	}
	if s.Allowed != nil && !s.Allowed(p.Store, p.Region, p.Secret) {
		return rotation.FieldError("SecretName", "secret %s of store %s in %s is not on the list of secrets that this worker may rotate",
			p.Secret, p.Store, p.Region).Advise("add it to the list in the worker's configuration").Found(rotation.FindingNotAllowed)
	}
	return nil
}

// checkRegion refuses a region that the store does not serve.
func (r *Rotation) checkRegion(store, region string) error {
	if only := r.Rules[store].Region; only != "" && only != region {
		return rotation.FieldError("RegionId", "store %s of this worker serves %s only, not %s", store, only, region).Found(rotation.FindingRequest)
	}
	return nil
}

// checkRules refuses what the configuration does not allow of the secret's document.
func (s *scene) checkRules(doc *rotation.Document) error {
	p := s.plan
	if p.Admin != "" {
		name, region := rotation.NameInARN(p.Admin)
		if region == "" {
			region = p.Region
		}
		if only := s.Rules[p.Store].Region; only != "" && only != region {
			return rotation.FieldError("secret "+p.Secret, "its admin secret is in %s, and store %s of this worker serves %s only",
				region, p.Store, only).Found(rotation.FindingNotAllowed)
		}
		if s.Allowed != nil && !s.Allowed(p.Store, region, name) {
			return rotation.FieldError("secret "+p.Secret, "its admin secret %s is not on the list of secrets that this worker may work on",
				p.Admin).Advise("add it to the list in the worker's configuration").Found(rotation.FindingNotAllowed)
		}
	}
	if limit := s.Rules[p.Store].UsernameLimit; limit > 0 && p.Strategy == rotation.DualAccount {
		if standby := doc.Pair().Standby(doc.Account); utf8.RuneCountInString(standby) > limit {
			return rotation.FieldError("secret "+p.Secret, "account name %q would have %d characters, and USERNAME_CHARACTER_LIMIT of this worker is %d",
				standby, utf8.RuneCountInString(standby), limit).Advise("rename the account, or raise the limit if the server takes longer names").Found(rotation.FindingAccountName)
		}
	}
	return nil
}
