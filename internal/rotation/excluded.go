package rotation

// Kinds says of each kind of character whether something is true of it.
type Kinds struct{ Lowercase, Uppercase, Numbers, Punctuation bool }

// ExcludedKinds says which kinds of characters an exclusion leaves nothing of. The generators of both clouds want to be told:
// they put at least one of every other kind into a password.
func ExcludedKinds(exclude string) Kinds {
	none := func(kind string) bool { return drop(kind, exclude) == "" }
	return Kinds{Lowercase: none(lowercase), Uppercase: none(uppercase), Numbers: none(digits), Punctuation: none(allPunctuation)}
}
