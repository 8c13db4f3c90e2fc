package manifest

import (
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"rotor/internal/config"
	"rotor/internal/recurrence"
	"rotor/internal/rotation"
	"rotor/internal/yamlfile"
)

// field is one field of an object of a manifest: how it is read, and what the JSON Schema says of it.
type field struct {
	name, doc string
	schema    map[string]any
	read      func(d *draft, f *yamlfile.File) func(yamlfile.Entry)
}

// readFields takes an object's fields, and notes under prefix + its name where each stands, and which could not be read. Where there is
// something else in the object, like a field of an unknown name, that may have been meant for any that is missing.
func readFields(d *draft, f *yamlfile.File, name string, node ast.Node, prefix string, fields []field) {
	wrong, ofFields := f.Met(), 0
	known := map[string]func(yamlfile.Entry){}
	for _, one := range fields {
		read := one.read(d, f)
		known[one.name] = func(e yamlfile.Entry) {
			d.at[prefix+e.Key] = place{f, e.At}
			if e.Absent() {
				return
			}
			before := f.Met()
			read(e)
			d.unread[prefix+e.Key] = f.Met() > before
			ofFields += f.Met() - before
		}
	}
	f.Fields(name, node, known)
	for _, one := range fields {
		if _, there := d.at[prefix+one.name]; !there && f.Met()-wrong > ofFields {
			d.unread[prefix+one.name] = true
		}
	}
}

// secretField is the one that defaults do not have.
var secretField = field{
	"secret", "name of the secret, or its ARN, which has the region in it", text(),
	func(d *draft, f *yamlfile.File) func(yamlfile.Entry) { return f.Text(&d.request.SecretName) },
}

// rotationFields are those of an entry and of the defaults.
func rotationFields() []field {
	return []field{
		textField("store", "store of the secret: alibaba-kms (default), aws-secrets-manager, or a named one of the workers", text(),
			func(d *draft) *string { return &d.request.Store }),
		textField("region", "region of the secret, like cn-hangzhou; an ARN has it in it", text(), func(d *draft) *string { return &d.request.RegionId }),
		textField("instanceId", "ApsaraDB RDS instance; with it the target is apsara-rds", text(), func(d *draft) *string { return &d.request.InstanceId }),
		textField("strategy", "how passwords are replaced; without it the secret's document says", words(strategies()...),
			func(d *draft) *string { return (*string)(&d.request.Strategy) }),
		{"schedule", "when the secret is rotated", object("schedule"), func(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
			return func(e yamlfile.Entry) {
				d.forget("schedule.")
				d.rule = recurrence.Rule{}
				readFields(d, f, e.Key, e.Node, "schedule.", scheduleFields())
			}
		}},
		{"password", "what new passwords look like; without it as the workers are set up", object("password"), func(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
			return func(e yamlfile.Entry) {
				d.forget("password.")
				d.request.Password = rotation.PasswordPolicy{}
				config.ReadPasswords(f, e, &d.request.Password)
			}
		}},
		textField("onFailure", "what follows when a rotation fails for good (default rollback)", words(rotation.OnFailureRollback, rotation.OnFailurePark),
			func(d *draft) *string { return &d.request.OnFailure }),
		spanField("grace", "how long a credential stays good after it was current (default 1h)", func(d *draft) *string { return &d.request.Grace }),
		spanField("patience", "how long steps are tried (default 15m)", func(d *draft) *string { return &d.request.Patience }),
		textField("proof", "login: only a login proves a credential, never a cloud's API alone", words(rotation.ProofLogin), func(d *draft) *string { return &d.request.Proof }),
		yesNoField("adoptStandby", "take over a standby account to which no version of the secret logs in", func(d *draft) *bool { return &d.request.AdoptStandby }),
		yesNoField("acceptPasswordHistory", "rotate although the server's password history may forbid a rollback",
			func(d *draft) *bool { return &d.request.AcceptPasswordHistory }),
		{"retireFormer", "when the former credential is made unusable: never, now, or after a time like 24h (default never; dual-password: after grace)",
			form(`^(never|now|` + strings.Trim(spanForm, "^$") + `)$`),
			func(d *draft, f *yamlfile.File) func(yamlfile.Entry) { return readSpan(f, &d.request.RetireFormer) }},
		yesNoField("retireWhenIdle", "wait with it until nobody is logged in with the former credential", func(d *draft) *bool { return &d.request.RetireWhenIdle }),
		yesNoField("endSessions", "end the sessions of the former credential's account when it is retired", func(d *draft) *bool { return &d.request.EndSessions }),
		textField("network", "task queue of the workers that reach the secret's database (their --task-queue); without it the one of the command",
			form(queueForm.String()), func(d *draft) *string { return &d.network }),
		textField("owner", "who is asked about the secret", form(ownerForm.String()), func(d *draft) *string { return &d.owner }),
		{"labels", "names and values to choose entries by (--label team=orders); those of an entry go over those of the defaults", labelSchema(), readLabels},
		yesNoField("paused", "don't rotate for now", func(d *draft) *bool { return &d.paused }),
	}
}

func strategies() (list []string) {
	for _, s := range rotation.Strategies {
		list = append(list, string(s))
	}
	return list
}

func scheduleFields() []field {
	return []field{
		spanOfRule("every", "time between two rotations, like 30d; 1h to 365d, and no less than the store's versions bear", func(r *recurrence.Rule) *time.Duration { return &r.Every }),
		{"calendar", "days and a time of day, in the zone", object("calendar"), func(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
			return func(e yamlfile.Entry) {
				d.rule.Calendar = &recurrence.Calendar{At: -1}
				readFields(d, f, e.Key, e.Node, "schedule.calendar.", calendarFields())
			}
		}},
		{"timeZone", "zone of calendar and window, like Europe/Berlin (default UTC)", text(), func(d *draft, f *yamlfile.File) func(yamlfile.Entry) { return f.Text(&d.rule.TimeZone) }},
		{"window", "maintenance window: with it, every is whole days, and rotations start in its first half", object("window"), func(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
			return func(e yamlfile.Entry) {
				d.rule.Window = &recurrence.Window{From: -1, To: -1}
				readFields(d, f, e.Key, e.Node, "schedule.window.", windowFields())
			}
		}},
		spanOfRule("jitter", "start up to so much later, so that not all start at once", func(r *recurrence.Rule) *time.Duration { return &r.Jitter }),
	}
}

func calendarFields() []field {
	return []field{
		{"months", "1 to 12 (default all)", numbers(12), readNumbers(func(d *draft) *[]int { return &d.rule.Calendar.Months })},
		{"daysOfMonth", "1 to 31 (default all)", numbers(31), readNumbers(func(d *draft) *[]int { return &d.rule.Calendar.DaysOfMonth })},
		{"daysOfWeek", "mon to sun (default all)", weekdays(), readWeekdays(func(d *draft) *[]time.Weekday { return &d.rule.Calendar.DaysOfWeek })},
		{"at", "time of day, like 03:00", clock(), readClock(func(d *draft) *recurrence.Clock { return &d.rule.Calendar.At })},
	}
}

func windowFields() []field {
	return []field{
		{"daysOfWeek", "days on which it opens (default all)", weekdays(), readWeekdays(func(d *draft) *[]time.Weekday { return &d.rule.Window.DaysOfWeek })},
		{"from", "time of day at which it opens, like 02:00", clock(), readClock(func(d *draft) *recurrence.Clock { return &d.rule.Window.From })},
		{"to", "time of day at which it closes, on the next day if that is not later", clock(), readClock(func(d *draft) *recurrence.Clock { return &d.rule.Window.To })},
	}
}

func textField(name, doc string, schema map[string]any, into func(*draft) *string) field {
	return field{name, doc, schema, func(d *draft, f *yamlfile.File) func(yamlfile.Entry) { return f.Text(into(d)) }}
}

func yesNoField(name, doc string, into func(*draft) *bool) field {
	return field{name, doc, map[string]any{"type": "boolean"}, func(d *draft, f *yamlfile.File) func(yamlfile.Entry) { return f.YesNo(into(d)) }}
}

// spanField is a duration of the request; what Go knows as one stays as it is.
func spanField(name, doc string, into func(*draft) *string) field {
	return field{name, doc, span(), func(d *draft, f *yamlfile.File) func(yamlfile.Entry) { return readSpan(f, into(d)) }}
}

func readSpan(f *yamlfile.File, into *string) func(yamlfile.Entry) {
	return func(e yamlfile.Entry) {
		f.Text(into)(e)
		if _, err := time.ParseDuration(*into); err == nil {
			return
		}
		if span, err := recurrence.ParseInterval(*into); err == nil {
			*into = span.String()
		}
	}
}

func spanOfRule(name, doc string, into func(*recurrence.Rule) *time.Duration) field {
	return field{name, doc, span(), func(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
		return func(e yamlfile.Entry) {
			text := yamlfile.Scalar(e.Node)
			span, err := recurrence.ParseInterval(text)
			if err != nil {
				f.Wrong(e.At, "%s: no interval; %s", e.Key, err)
				return
			}
			*into(&d.rule) = span
			if span == 0 && name == "every" {
				f.Wrong(e.At, "every: 0s is no interval; wanted: one like 30d")
			}
		}
	}}
}

func readClock(into func(*draft) *recurrence.Clock) func(*draft, *yamlfile.File) func(yamlfile.Entry) {
	return func(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
		return func(e yamlfile.Entry) {
			c, ok := recurrence.ParseClock(yamlfile.Scalar(e.Node))
			if !ok {
				f.Wrong(e.At, "%s: no time of day; wanted: one like 03:00", e.Key)
				return
			}
			*into(d) = c
		}
	}
}

func readNumbers(into func(*draft) *[]int) func(*draft, *yamlfile.File) func(yamlfile.Entry) {
	return func(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
		return func(e yamlfile.Entry) {
			for _, item := range f.List(e, "a list of numbers, like [1, 15]") {
				n, ok := yamlfile.Whole(item)
				if !ok {
					f.Wrong(item, "%s: no whole number; wanted: one like 15", e.Key)
					continue
				}
				*into(d) = append(*into(d), n)
			}
		}
	}
}

func readWeekdays(into func(*draft) *[]time.Weekday) func(*draft, *yamlfile.File) func(yamlfile.Entry) {
	return func(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
		return func(e yamlfile.Entry) {
			for _, item := range f.List(e, "a list of days, like [sat, sun]") {
				day, ok := recurrence.ParseWeekday(yamlfile.Scalar(item))
				if !ok {
					f.Wrong(item, "%s: no day of the week; wanted: %s", e.Key, strings.Join(recurrence.Weekdays, ", "))
					continue
				}
				*into(d) = append(*into(d), day)
			}
		}
	}
}

var (
	queueForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$`)
	ownerForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._@+/#-]{0,99}$`)
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$`)
	// labelForm is that of names and values of labels.
	labelForm  = nameForm
	secretWord = regexp.MustCompile(`(?i)passw|secret|token|credential|private.?key`)
)

func readLabels(d *draft, f *yamlfile.File) func(yamlfile.Entry) {
	return func(e yamlfile.Entry) {
		labels := map[string]string{}
		maps.Copy(labels, d.labels)
		for _, one := range f.Entries(e.Key, e.Node) {
			var value string
			f.Text(&value)(one)
			switch {
			case secretWord.MatchString(one.Key):
				f.Wrong(one.At, "labels: %s: nothing secret goes into a manifest; wanted: a label to choose entries by, like team", one.Key)
			case !labelForm.MatchString(one.Key):
				f.Wrong(one.At, "labels: no label's name; wanted: letters, digits and ._/-, 63 at most")
			case value == "":
			case !labelForm.MatchString(value):
				f.Wrong(one.At, "labels: %s: no label's value; wanted: letters, digits and ._/-, 63 at most", one.Key)
			}
			labels[one.Key] = value
		}
		d.labels = labels
	}
}
