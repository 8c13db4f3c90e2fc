package alibabakms

import (
	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
	"rotor/internal/cloudsim/randompassword"
)

func (s *Service) getRandomPassword(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	length, failure := integer(c, "PasswordLength", 32, 8, 128)
	if failure != nil {
		return nil, failure
	}
	var classes []string
	for _, class := range []struct{ exclude, characters string }{
		{"ExcludeLowercase", randompassword.Lowercase},
		{"ExcludeUppercase", randompassword.Uppercase},
		{"ExcludeNumbers", randompassword.Numbers},
		{"ExcludePunctuation", randompassword.Punctuation},
	} {
		excluded, failure := boolean(c, class.exclude)
		if failure != nil {
			return nil, failure
		}
		if !excluded {
			classes = append(classes, class.characters)
		}
	}
	each := true
	if c.Params["RequireEachIncludedType"] != "" {
		if each, failure = boolean(c, "RequireEachIncludedType"); failure != nil {
			return nil, failure
		}
	}
	password, err := randompassword.Make(length, classes, c.Params["ExcludeCharacters"], each)
	if err != nil {
		return nil, invalid("ExcludeCharacters")
	}
	return map[string]any{"RandomPassword": password}, nil
}
