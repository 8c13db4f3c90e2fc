package rotation

// Together finds what shows only where several secrets are looked at: those that rotate the same accounts, and those whose admin
// secret another one rotates in a way that locks it out for a moment. It gives the findings of each check.
func Together(checks []Check) [][]Finding {
	found := make([][]Finding, len(checks))
	type login struct{ server, account string }
	first := map[login]int{}
	singles := map[[3]string]bool{}
	for i, c := range checks {
		if c.Strategy == SingleUser {
			singles[[3]string{c.Store, c.Region, c.Secret}] = true
		}
		told := map[int]bool{}
		for _, account := range []string{c.Account, c.Next} {
			if account == "" || c.Address == "" {
				continue
			}
			at := login{c.Address, account}
			if c.Server != "" {
				at.server = c.Server
			}
			other, taken := first[at]
			if !taken {
				first[at] = i
				continue
			}
			if other == i || told[other] {
				continue
			}
			told[other] = true
			for _, pair := range [][2]int{{i, other}, {other, i}} {
				of := checks[pair[1]]
				found[pair[0]] = append(found[pair[0]], Finding{Word: FindingShared, Severity: Problem, Do: advice[FindingShared],
					Text: "account " + account + " at " + c.Address + " is one that secret " + of.Secret + " of " + of.Store + " in " + of.Region + " rotates, too"})
			}
		}
	}
	for i, c := range checks {
		name, _ := NameInARN(c.Admin)
		if name != "" && singles[[3]string{c.Store, c.Region, name}] {
			found[i] = append(found[i], Finding{Word: WarningAdminRotates, Severity: Warning, Do: advice[WarningAdminRotates],
				Text: "its admin secret " + name + " is rotated with one account (single-user)"})
		}
	}
	return found
}
