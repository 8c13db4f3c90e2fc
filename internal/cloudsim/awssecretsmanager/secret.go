// Package awssecretsmanager simulates AWS Secrets Manager (API version 2017-10-17).
package awssecretsmanager

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Stages that Secrets Manager itself knows.
const (
	Current  = "AWSCURRENT"
	Pending  = "AWSPENDING"
	Previous = "AWSPREVIOUS"
)

const (
	maxStages     = 20
	keptVersions  = 100
	keptAtLeast   = 24 * time.Hour
	maxValueBytes = 65536
)

// Secret is a secret with everything in it, to seed the simulator and to look into it.
type Secret struct {
	Name string
	// Suffix is the six characters at the end of the ARN; random if empty.
	Suffix      string
	Description string
	// KeyID is the customer's KMS key, by id, alias or ARN; empty is AWS's own, which needs no permission.
	KeyID string
	// OwningService is the AWS service that manages the secret, such as rds.
	OwningService string
	// Rotation is nil if it was never configured.
	Rotation *Rotation
	Tags     map[string]string
	Created  time.Time
	Changed  time.Time
	Rotated  time.Time
	// Deletion is when the secret will be gone; set while it is scheduled for deletion.
	Deletion time.Time
	// SharedWith lists other accounts that the secret's policy lets in.
	SharedWith []string
	// Versions are in the order in which they were put.
	Versions []Version
}

// Rotation is the rotation that Secrets Manager itself would do. The simulator calls no Lambda function.
type Rotation struct {
	Enabled   bool
	LambdaARN string
	// AfterDays is the interval; zero if ScheduleExpression says when.
	AfterDays          int64
	Duration           string
	ScheduleExpression string
}

// Version is one version of a secret. With neither String nor Binary it is the placeholder that RotateSecret leaves.
type Version struct {
	ID     string
	String string
	Binary []byte
	Stages []string
	// Created is when the version was put.
	Created time.Time
}

// Format prints the version without its value, whatever the verb.
func (v Version) Format(f fmt.State, _ rune) {
	// The writer belongs to the fmt function that was called.
	_, _ = fmt.Fprintf(f, "%s [%s]", v.ID, strings.Join(v.Stages, " "))
}

// Empty tells whether the version holds no value.
func (v Version) Empty() bool { return v.String == "" && v.Binary == nil }

func (v Version) sameValue(other Version) bool {
	return v.String == other.String && slices.Equal(v.Binary, other.Binary)
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
	if s.Rotation != nil {
		rotation := *s.Rotation
		c.Rotation = &rotation
	}
	for i := range c.Versions {
		c.Versions[i].Stages = slices.Clone(c.Versions[i].Stages)
	}
	return &c
}

func (s *Secret) withDefaults(now time.Time) {
	if s.Created.IsZero() {
		s.Created = now
	}
	if s.Changed.IsZero() {
		s.Changed = s.Created
	}
	s.Suffix = cmp.Or(s.Suffix, suffix())
	for i := range s.Versions {
		if s.Versions[i].Created.IsZero() {
			s.Versions[i].Created = now
		}
	}
}

// put adds a version under the given stages. Labels come from wherever they are; the very first version becomes
// current whatever was asked for.
func (s *Secret) put(v Version, stages []string) {
	first := len(s.Versions) == 0
	s.Versions = append(s.Versions, v)
	if first && !slices.Contains(stages, Current) {
		stages = append(slices.Clone(stages), Current)
	}
	for _, stage := range stages {
		s.move(stage, v.ID)
	}
	s.prune(v.Created)
}

// move puts a stage on a version and takes it off any other. AWSPREVIOUS follows AWSCURRENT to the version it left.
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

// prune removes the earliest versions without a stage when there are more than 100 versions, never one younger than a
// day.
func (s *Secret) prune(now time.Time) {
	for len(s.Versions) > keptVersions {
		i := slices.IndexFunc(s.Versions, func(v Version) bool {
			return len(v.Stages) == 0 && now.Sub(v.Created) >= keptAtLeast
		})
		if i < 0 {
			return
		}
		s.Versions = slices.Delete(s.Versions, i, i+1)
	}
}

// stages is how many different stages are in use.
func (s *Secret) stages() int {
	n := 0
	for _, v := range s.Versions {
		n += len(v.Stages)
	}
	return n
}

// unfinished tells whether a rotation was begun and not finished: AWSPENDING is on another version than AWSCURRENT.
func (s *Secret) unfinished() bool {
	pending := s.Holder(Pending)
	return pending != nil && !slices.Contains(pending.Stages, Current)
}
