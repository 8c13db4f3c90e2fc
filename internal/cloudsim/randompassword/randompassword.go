// Package randompassword makes the passwords of the GetRandomPassword operations of both clouds.
package randompassword

import (
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
)

// Classes of characters, as both clouds document them.
const (
	Lowercase   = "abcdefghijklmnopqrstuvwxyz"
	Uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	Numbers     = "0123456789"
	Punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// ErrImpossible says that the exclusions leave nothing to choose from, or more classes than characters.
var ErrImpossible = errors.New("no password can satisfy these parameters")

// Make gives a password of length characters from the classes, without the excluded characters; with eachClass, at
// least one of every class that the exclusions leave anything of.
func Make(length int, classes []string, exclude string, eachClass bool) (string, error) {
	all := ""
	var left []string
	for _, class := range classes {
		class = strings.Map(func(r rune) rune {
			if strings.ContainsRune(exclude, r) {
				return -1
			}
			return r
		}, class)
		if class != "" {
			left = append(left, class)
			all += class
		}
	}
	if all == "" || eachClass && len(left) > length {
		return "", ErrImpossible
	}
	password := make([]byte, 0, length)
	if eachClass {
		for _, class := range left {
			password = append(password, class[below(len(class))])
		}
	}
	for len(password) < length {
		password = append(password, all[below(len(all))])
	}
	for i := range password {
		j := i + below(len(password)-i)
		password[i], password[j] = password[j], password[i]
	}
	return string(password), nil
}

func below(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic("cloudsim: no random numbers: " + err.Error())
	}
	return int(i.Int64())
}
