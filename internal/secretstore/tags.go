package secretstore

// Tagged is a page of secrets that bear tags.
type Tagged struct {
	// Names are in the store's order. Secrets that are scheduled for deletion are not among them.
	Names []string
	// Next is where the next page begins, "" after the last one. What it says is the store's own.
	Next string
}

// Bears says whether tags have all of those that are wanted, to the letter: the stores' own filters find beginnings of them, too.
func Bears(tags, wanted map[string]string) bool {
	for key, value := range wanted {
		if has, there := tags[key]; !there || has != value {
			return false
		}
	}
	return true
}
