module rotor/tools/clients/boto3

go 1.26.8

require rotor v0.0.0

require (
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace rotor => ../../..
