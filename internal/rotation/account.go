package rotation

import "strings"

// Suffixes that tell the two accounts of a pair apart.
const (
	// SuffixAlibaba is what the Function Compute recipe of Alibaba Cloud appends.
	SuffixAlibaba = "_rt"
	// SuffixAWS is what the alternating-users template of AWS appends.
	SuffixAWS = "_clone"
)

// Pair is the two accounts that take turns. Base is the one without the suffix; it names the pair.
type Pair struct{ Base, Suffixed string }

// PairOf gives the pair that an account belongs to.
func PairOf(account, suffix string) Pair {
	base := strings.TrimSuffix(account, suffix)
	return Pair{Base: base, Suffixed: base + suffix}
}

// Standby gives the other account of the pair.
func (p Pair) Standby(current string) string {
	if current == p.Base {
		return p.Suffixed
	}
	return p.Base
}

// DefaultAllowMissing is the privilege that a standby account may lack where the admin can't grant it: Alibaba Cloud's recipe passes over it.
const DefaultAllowMissing = "XA_RECOVER_ADMIN"
