package payload

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// What an encrypted payload says of itself; the names are those that Temporal's own samples have.
const (
	encoding    = "binary/encrypted"
	metadataKey = "encryption-key-id"
)

// Unreadable is the error about an encrypted payload that can't be read with the keys that there are.
type Unreadable struct{ text string }

func (u *Unreadable) Error() string { return u.text }

// IsUnreadable says whether an error comes from an encrypted payload that can't be read.
func IsUnreadable(err error) bool {
	_, is := errors.AsType[*Unreadable](err)
	return is
}

// Codec encrypts and decrypts payloads. Without keys it leaves them as they are, and refuses encrypted ones by name. What is in the
// clear is read as it is: rotations that were open when encryption was switched on go on.
func (k *Keys) Codec() converter.PayloadCodec { return codec{k} }

type codec struct{ *Keys }

// Encode encrypts with the first key, each payload as a whole, its own metadata included.
func (c codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if c.Keys == nil {
		return payloads, nil
	}
	return each(payloads, func(p *commonpb.Payload) (*commonpb.Payload, error) {
		if string(p.GetMetadata()[converter.MetadataEncoding]) == encoding {
			return p, nil
		}
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, errors.New("a payload can't be encrypted: it has no binary form")
		}
		sealer := c.all[c.first]
		nonce := make([]byte, sealer.NonceSize(), sealer.NonceSize()+len(plain)+sealer.Overhead())
		_, _ = rand.Read(nonce) // it never fails
		return &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding), metadataKey: []byte(c.first)},
			Data:     sealer.Seal(nonce, nonce, plain, []byte(c.first)),
		}, nil
	})
}

// Decode decrypts what is encrypted, with the key that it names.
func (c codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, func(p *commonpb.Payload) (*commonpb.Payload, error) {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != encoding {
			return p, nil
		}
		name := string(p.GetMetadata()[metadataKey])
		sealer, err := c.key(name)
		if err != nil {
			return nil, err
		}
		size := sealer.NonceSize()
		if len(p.GetData()) < size {
			return nil, misfit(name)
		}
		plain, err := sealer.Open(nil, p.GetData()[:size], p.GetData()[size:], []byte(name))
		if err != nil {
			return nil, misfit(name)
		}
		var found commonpb.Payload
		if err := proto.Unmarshal(plain, &found); err != nil {
			return nil, misfit(name)
		}
		return &found, nil
	})
}

func (c codec) key(name string) (cipher.AEAD, error) {
	if !keyName.MatchString(name) {
		return nil, &Unreadable{"a payload is encrypted, but not by Rotor: it names no key"}
	}
	if c.Keys == nil {
		return nil, &Unreadable{fmt.Sprintf("a payload is encrypted with key %s, and this program has no keys: set %s to the file that has it", name, Setting)}
	}
	sealer, ok := c.all[name]
	if !ok {
		return nil, &Unreadable{fmt.Sprintf("a payload is encrypted with key %s, which is not in the file that %s names: add it there, below the first key", name, Setting)}
	}
	return sealer, nil
}

func misfit(name string) error {
	return &Unreadable{fmt.Sprintf("a payload does not open with key %s: it was changed by somebody, or the key has another value in the file that %s names than where it was written",
		name, Setting)}
}

func each(payloads []*commonpb.Payload, one func(*commonpb.Payload) (*commonpb.Payload, error)) ([]*commonpb.Payload, error) {
	made := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		var err error
		if made[i], err = one(p); err != nil {
			return nil, err
		}
	}
	return made, nil
}
