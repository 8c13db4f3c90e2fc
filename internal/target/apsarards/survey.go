package apsarards

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// Survey looks, changing nothing. It names what the worker's RAM identity may not read and needs; what it may change can't be seen.
func (t *Target) Survey(ctx context.Context, q target.Question) (target.Survey, error) {
	s := surveyor{Question: q, target: t, place: q.By.Place}
	return s.look(ctx)
}

type surveyor struct {
	target.Question
	target *Target
	place  rotation.Place
	// instance is the zero value if the worker may not look at it.
	instance instance
	unseen   error
	notes    []string
}

// note is for the survey's notes, and a warning of a check.
func (s *surveyor) note(word, text string) {
	s.notes = append(s.notes, text)
	s.Findings.Warning(word, "%s", text)
}

func (s *surveyor) refuse(format string, args ...any) *rotation.Error {
	return rotation.Errorf(rotation.Permanent, "instance %s in %s: %s", s.place.Instance, s.place.Region, fmt.Sprintf(format, args...))
}

func (s *surveyor) look(ctx context.Context) (target.Survey, error) {
	survey := target.Survey{Passwords: passwords}
	if err := s.lookAtInstance(ctx); err != nil {
		return survey, err
	}
	all, err := s.target.accounts(ctx, s.place)
	if err != nil {
		return survey, err
	}
	current, exists := find(all, s.Current)
	if !exists {
		return survey, s.refuse("account %s does not exist", s.Current).Advise("check InstanceId, and AccountName of the secret").Found(rotation.FindingMissing)
	}
	if err := s.Findings.Problem(rotation.FindingAccountBusy, busy(s.place, s.Current, current, true)); err != nil {
		return survey, err
	}
	s.Findings.Saw("instance: %s is %s, account %s is %s", s.place.Instance, word(s.instance.status), s.Current, word(current.status))
	if s.Strategy == rotation.DualAccount {
		if survey.StandbyExists, err = s.lookAtPair(all, current); err != nil {
			return survey, err
		}
	}
	if err := s.lookAtAddress(ctx); err != nil {
		return survey, err
	}
	survey.Notes = s.notes
	return survey, nil
}

func find(all []account, name string) (account, bool) {
	i := slices.IndexFunc(all, func(a account) bool { return a.name == name })
	if i < 0 {
		return account{}, false
	}
	return all[i], true
}

// lookAtInstance looks whether its accounts can be changed. Without the permission to look, the API tells when they are.
func (s *surveyor) lookAtInstance(ctx context.Context) error {
	found, err := s.target.instance(ctx, s.place)
	if denied(err) {
		s.unseen = err
		s.note(rotation.WarningInstance, "the worker may not look at instance "+s.place.Instance+" (rds:DescribeDBInstanceAttribute), so its state and limits were not checked")
		return nil
	}
	if err != nil {
		return err
	}
	s.instance = found
	switch {
	case found.engine != engineMySQL && found.engine != engineMariaDB:
		return s.refuse("its engine is %s; %s and %s are rotated", word(found.engine), engineMySQL, engineMariaDB).Found(rotation.FindingInstance)
	case found.kind == "Readonly":
		return s.refuse("it is a read-only instance, which has the accounts of its primary instance %s", word(found.primary)).
			Advise("name that one in InstanceId").Found(rotation.FindingReadOnly)
	case found.lock != "" && found.lock != "Unlock":
		return s.refuse("it is locked (%s), so its accounts can't be changed", word(found.lock)).Advise("unlock it").Found(rotation.FindingInstance)
	}
	return rotation.Named(rotation.FindingInstance, found.busy(s.place))
}

// busy says that the instance is in no state to be changed now, nil if it is.
func (i instance) busy(place rotation.Place) error {
	if i.status == statusRunning {
		return nil
	}
	return rotation.Errorf(rotation.Retryable, "instance %s in %s is not %s, but %s; it can be changed when it is again", place.Instance, place.Region,
		statusRunning, word(i.status)).WithCode(codeBusy)
}

// word lets through what can be a word or an id of the API's; it came from outside.
func word(s string) string {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return "something else"
		}
	}
	if s == "" || len(s) > 64 {
		return "something else"
	}
	return s
}

// lookAtPair looks whether a standby account can be made, and made equal to the current one.
func (s *surveyor) lookAtPair(all []account, current account) (standbyExists bool, err error) {
	if reason := unlevellable(current); reason != "" {
		unlevel := rotation.FindingCustom
		if current.kind != kindNormal {
			unlevel = rotation.FindingSuper
		}
		if err := s.Findings.Problem(unlevel, s.refuse("%s", reason)); err != nil {
			return false, err
		}
	}
	name := s.Pair.Standby(s.Current)
	standby, exists := find(all, name)
	if exists {
		if standby.kind != kindNormal {
			return false, s.refuse("account %s is of type %s, and %s, its partner, is not", name, word(standby.kind), s.Current).Found(rotation.FindingSuper)
		}
		if d := compare(standby, current); len(d.words) > 0 {
			s.Findings.Warning(rotation.WarningDrift, "account %s is not the equal of %s: %s", name, s.Current, strings.Join(d.words, "; "))
		} else {
			s.Findings.Saw("standby: account %s is %s, and the equal of %s", name, word(standby.status), s.Current)
		}
		return true, s.Findings.Problem(rotation.FindingAccountBusy, busy(s.place, name, standby, true))
	}
	if reason := s.instance.checkName(name); reason != "" {
		if s.unseen != nil {
			return false, s.refuse("account %s can't be created: %s", name, reason).
				Advise("allow rds:DescribeDBInstanceAttribute to the worker's RAM identity, so that it can look").Found(rotation.FindingAccountName)
		}
		return false, s.refuse("account %s can't be created: %s", name, reason).Found(rotation.FindingAccountName)
	}
	if i := slices.IndexFunc(all, func(a account) bool { return strings.EqualFold(a.name, name) }); i >= 0 {
		return false, s.refuse("account %s can't be created, because %s exists, which differs in nothing but case", name, all[i].name).Found(rotation.FindingAccountName)
	}
	if s.instance.most > 0 && len(all) >= s.instance.most {
		return false, s.refuse("it has %d accounts and takes %d, so %s can't be created", len(all), s.instance.most, name).
			Advise("delete one that nobody needs").Found(rotation.FindingAccountLimit)
	}
	return false, nil
}

// unlevellable says why no other account can be made equal to this one through the API, "" if one can.
func unlevellable(current account) string {
	if current.kind != kindNormal {
		return fmt.Sprintf("account %s is of type %s, and an instance can have only one such account, so it can't have a partner; rotate it with Strategy %s",
			current.name, word(current.kind), rotation.SingleUser)
	}
	if current.incomplete {
		return "account " + current.name + " has privileges on more databases than the API lists, so another account can't be made equal to it"
	}
	for _, database := range sortedKeys(current.privileges) {
		if p := current.privileges[database]; !slices.Contains(grantable, p) {
			return fmt.Sprintf("account %s has the privileges %s on database %q, which were given by SQL and which the API can't give to its partner; "+
				"give it one of %s there, or rotate it with Strategy %s", current.name, word(p), database, strings.Join(grantable, ", "), rotation.SingleUser)
		}
	}
	return ""
}

// lookAtAddress makes sure that the document's address leads to the instance. An account of the same name on another instance would else
// be changed for it.
func (s *surveyor) lookAtAddress(ctx context.Context) error {
	at := s.Client.Place
	if at.Host == "" {
		return nil
	}
	own, err := s.target.addresses(ctx, s.place)
	if denied(err) {
		s.note(rotation.WarningAddress, "the worker may not list the addresses of instance "+s.place.Instance+
			" (rds:DescribeDBInstanceNetInfo), so it was not checked that "+at.Address()+" is one of them")
		return nil
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(own, at.SameServer) {
		return nil
	}
	if len(own) > 0 {
		here, there := s.Client, s.Client
		here.Place.Host, here.Place.Port = own[0].Host, own[0].Port
		one, other := s.target.logins.Probe(ctx, here), s.target.logins.Probe(ctx, there)
		inside := one.Answer == rotation.Accepted && other.Answer == rotation.Accepted
		switch {
		case inside && one.Server != "" && one.Server == other.Server:
			return nil
		case inside && one.Server != "" && other.Server != "", one.Answer == rotation.RefusedLogin && other.Answer == rotation.Accepted:
			return rotation.FieldError("InstanceId", "%s and the address of the secret, %s, lead to different servers", s.place.Instance, at.Address()).
				Advise("correct one of them").Found(rotation.FindingServers)
		}
	}
	s.note(rotation.WarningAddress, "the secret's address "+at.Address()+" is none of those of instance "+s.place.Instance+
		", and it could not be seen whether it leads there")
	return nil
}
