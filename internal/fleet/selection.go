package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const idPrefix = "fleet/"

// WorkflowID is the id of a fleet. Its name is no secret's, so it stands in clear where those are hidden.
func WorkflowID(name string) string { return idPrefix + name }

// PartID is the id of the workflow that keeps a part of a fleet's selection, the first of which is 0.
func PartID(name string, number int) string {
	return fmt.Sprintf("%s%s/part/%d", idPrefix, name, number)
}

// NameIn gives the name of the fleet of a workflow id, "" if it is none.
func NameIn(id string) string {
	name, is := strings.CutPrefix(id, idPrefix)
	if !is || strings.Contains(name, "/") {
		return ""
	}
	return name
}

// A part has so many items and bytes at most. Temporal warns of payloads from 256 KB on and takes none above 2 MB; encrypted they are longer.
const (
	mostItems = 500
	mostBytes = 200_000
)

// Split makes parts of a selection.
func Split(name string, items []Item) ([]Part, error) {
	var parts []Part
	size := 0
	for _, item := range items {
		text, err := json.Marshal(item)
		if err != nil {
			return nil, fmt.Errorf("secret %s can't be written as JSON", item.Request.Name())
		}
		last := len(parts) - 1
		if last < 0 || len(parts[last].Items) == mostItems || size+len(text) > mostBytes {
			parts, size = append(parts, Part{Fleet: name, Number: last + 1}), 0
			last++
		}
		parts[last].Items = append(parts[last].Items, item)
		size += len(text) + 1
	}
	return parts, nil
}

// Spread orders a selection so that neighbours are at different targets and stores, as far as that goes: a fleet that waits for one of them has
// others to go on with, and its canary meets many. Of one target the order stays.
func Spread(items []Item) []Item {
	var places []string
	queues := map[string][]Item{}
	for _, item := range items {
		place := item.Place() + "\x00" + item.Queue + "\x00" + item.Target
		if _, known := queues[place]; !known {
			places = append(places, place)
		}
		queues[place] = append(queues[place], item)
	}
	spread := make([]Item, 0, len(items))
	for len(places) > 0 {
		for _, place := range places {
			spread = append(spread, queues[place][0])
			queues[place] = queues[place][1:]
		}
		places = slices.DeleteFunc(places, func(place string) bool { return len(queues[place]) == 0 })
	}
	return spread
}

// Find gives the part of a place in the selection, and the place within it.
func Find(parts []int, index int) (part, within int) {
	for part, size := range parts {
		if index < size {
			return part, index
		}
		index -= size
	}
	return -1, 0
}

// First is the place in the selection of a part's first item.
func First(parts []int, part int) (index int) {
	for _, size := range parts[:part] {
		index += size
	}
	return index
}
