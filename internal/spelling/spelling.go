// Package spelling finds the word that somebody meant.
package spelling

// Nearest gives the word that is most like what was written, "" if none is like it.
func Nearest(written string, words []string) string {
	best, nearest := 3, ""
	for _, word := range words {
		if d := distance(word, written); d < best {
			best, nearest = d, word
		}
	}
	return nearest
}

// distance is how many characters have to be added, left out or replaced to make one word of another (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
