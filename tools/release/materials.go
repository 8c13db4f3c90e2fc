package main

import (
	"debug/buildinfo"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// writeMaterials writes the bill of materials (CycloneDX, JSON): the modules that the linker has put into the programs, as the programs
// themselves say, each with its version and hash, and the version of Go.
func writeMaterials(path, version string, at time.Time, files []file) (err error) {
	bill := cyclonedx.NewBOM()
	bill.SerialNumber = "" // a random one would make every build another
	bill.Metadata = &cyclonedx.Metadata{
		Timestamp: at.Format(time.RFC3339),
		Component: &cyclonedx.Component{BOMRef: "rotor", Type: cyclonedx.ComponentTypeApplication, Name: "rotor", Version: version,
			Licenses: &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}}},
	}
	parts := map[string]cyclonedx.Component{}
	for _, one := range files {
		info, err := buildinfo.ReadFile(one.path)
		if err != nil {
			continue // a text
		}
		parts["go"] = cyclonedx.Component{BOMRef: "go", Type: cyclonedx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion,
			PackageURL: "pkg:golang/std@" + info.GoVersion}
		for _, module := range info.Deps {
			if module.Replace != nil {
				module = module.Replace
			}
			url := "pkg:golang/" + module.Path + "@" + module.Version
			parts[url] = cyclonedx.Component{BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: module.Path, Version: module.Version, PackageURL: url,
				Properties: &[]cyclonedx.Property{{Name: "go:sum", Value: module.Sum}}}
		}
	}
	components := make([]cyclonedx.Component, 0, len(parts))
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		components = append(components, parts[name])
	}
	bill.Components = &components
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return cyclonedx.NewBOMEncoder(f, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bill)
}
