package process

// Identify is a running process's name in a workspace's records.
func Identify(pid int) (string, error) {
	id, err := identify(pid)
	return id.String(), err
}

// RecordsFolder is where they are.
const RecordsFolder = recordsFolder
