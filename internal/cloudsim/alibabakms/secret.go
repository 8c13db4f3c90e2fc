// Package alibabakms simulates the secrets part of Alibaba Cloud KMS (API version 2016-01-20): generic secrets with
// their versions and stages, and managed ones as far as reading them goes.
package alibabakms

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Stages that KMS itself moves.
const (
	Current  = "ACSCurrent"
	Previous = "ACSPrevious"
)

// Limits of one generic secret, as documented.
const (
	maxVersions = 10
	maxStages   = 8
)

// Generic is the type of secrets that hold any value; the others (Rds, RAMCredentials, ECS, ...) are managed by KMS.
const Generic = "Generic"

// Secret is a secret with everything in it, to seed the simulator and to look into it.
type Secret struct {
	Name string
	// Type is Generic if empty.
	Type        string
	Description string
	// KeyID is the customer's key that encrypts the secret; reading and writing then need permissions on it.
	KeyID          string
	DKMSInstanceID string
	// ExtendedConfig is the JSON document of a managed secret.
	ExtendedConfig string
	// AutomaticRotation is Disabled if empty. RotationInterval is in seconds with an s ("604800s").
	AutomaticRotation string
	RotationInterval  string
	Tags              map[string]string
	Created           time.Time
	Updated           time.Time
	// PlannedDelete is set while the secret is in its delete window.
	PlannedDelete time.Time
	// SharedWith lists other accounts that the secret's policy lets in.
	SharedWith []string
	// Versions are in the order in which they were put.
	Versions []Version
}

// Version is one version of a secret.
type Version struct {
	ID   string
	Data string
	// DataType is text if empty.
	DataType string
	Stages   []string
	Created  time.Time
}

// String leaves the data out.
func (v Version) String() string { return v.ID + " " + stagesText(v.Stages) }

// GoString leaves the data out.
func (v Version) GoString() string { return v.String() }

func stagesText(stages []string) string {
	text := "["
	for i, s := range stages {
		if i > 0 {
			text += " "
		}
		text += s
	}
	return text + "]"
}

// Holder gives the version that a stage is on; nil if it is on none.
func (s *Secret) Holder(stage string) *Version {
	for i := range s.Versions {
		if slices.Contains(s.Versions[i].Stages, stage) {
			return &s.Versions[i]
		}
	}
	return nil
}

// Version gives the version of that id; nil if there is none.
func (s *Secret) Version(id string) *Version {
	i := slices.IndexFunc(s.Versions, func(v Version) bool { return v.ID == id })
	if i < 0 {
		return nil
	}
	return &s.Versions[i]
}

// clone copies the secret so deeply that neither copy can change the other.
func (s *Secret) clone() *Secret {
	c := *s
	c.Tags, c.SharedWith, c.Versions = maps.Clone(s.Tags), slices.Clone(s.SharedWith), slices.Clone(s.Versions)
	for i := range c.Versions {
		c.Versions[i].Stages = slices.Clone(c.Versions[i].Stages)
	}
	return &c
}

// withDefaults fills in what a seed left out.
func (s *Secret) withDefaults(now time.Time) {
	s.Type = cmp.Or(s.Type, Generic)
	s.AutomaticRotation = cmp.Or(s.AutomaticRotation, "Disabled")
	if s.Created.IsZero() {
		s.Created = now
	}
	if s.Updated.IsZero() {
		s.Updated = s.Created
	}
	for i := range s.Versions {
		v := &s.Versions[i]
		v.DataType = cmp.Or(v.DataType, "text")
		if v.Created.IsZero() {
			v.Created = now
		}
	}
}

// move puts a stage on a version and takes it off any other. When the current stage moves, the version that had it
// becomes previous; put on the version that holds it already, nothing changes.
func (s *Secret) move(stage, to string) {
	from := s.Holder(stage)
	if from != nil && from.ID == to {
		return
	}
	if from != nil {
		from.drop(stage)
	}
	target := s.Version(to)
	target.Stages = append(target.Stages, stage)
	if stage == Current && from != nil {
		s.move(Previous, from.ID)
	}
}

func (v *Version) drop(stage string) {
	v.Stages = slices.DeleteFunc(v.Stages, func(s string) bool { return s == stage })
}

// stages is how many different stages are in use.
func (s *Secret) stages() int {
	n := 0
	for _, v := range s.Versions {
		n += len(v.Stages)
	}
	return n
}

// put adds a version under the given stages and pushes out the earliest one when there are too many. KMS documents
// "the earliest version", labelled or not; only the holder of ACSCurrent can't be the one, or the secret would be left
// without a value.
func (s *Secret) put(v Version, stages []string) {
	s.Versions = append(s.Versions, v)
	for _, stage := range stages {
		s.move(stage, v.ID)
	}
	for len(s.Versions) > maxVersions {
		oldest := slices.IndexFunc(s.Versions, func(v Version) bool { return !slices.Contains(v.Stages, Current) })
		s.Versions = slices.Delete(s.Versions, oldest, oldest+1)
	}
}
