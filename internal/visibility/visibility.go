// Package visibility looks after the search attributes by which Temporal finds rotations.
package visibility

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"rotor/internal/rotation"
)

// wanted are the search attributes and their types.
var wanted = map[string]enumspb.IndexedValueType{
	rotation.AttributeSecret:  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	rotation.AttributeOutcome: enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	rotation.AttributeStuck:   enumspb.INDEXED_VALUE_TYPE_BOOL,
	rotation.AttributeFleet:   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
}

// Names are the names of all, sorted.
func Names() []string { return slices.Sorted(maps.Keys(wanted)) }

// Types gives name and type of all, as Temporal's command line takes them.
func Types() map[string]string {
	types := map[string]string{}
	for name, kind := range wanted {
		types[name] = kind.String()
	}
	return types
}

// Attributes is what a namespace has of them.
type Attributes struct {
	// Present can be used, Missing are not registered; both are sorted.
	Present, Missing []string
}

// WrongType is the error about a search attribute that is registered as something else.
type WrongType struct {
	Name, Namespace, Is, Wanted string
}

func (e *WrongType) Error() string {
	return fmt.Sprintf("search attribute %s of namespace %s has type %s; wanted: %s. Remove it, or give Rotor a namespace of its own", e.Name, e.Namespace, e.Is, e.Wanted)
}

// NotSeen is the error about search attributes that were registered and can't be used yet.
type NotSeen struct {
	Names     []string
	Namespace string
}

func (e *NotSeen) Error() string {
	return fmt.Sprintf("%s were registered in namespace %s and are not to be seen there after %s; try again", strings.Join(e.Names, ", "), e.Namespace, patience)
}

// Look lists what the namespace has. One of a wrong type is a *WrongType.
func Look(ctx context.Context, c client.Client, namespace string) (Attributes, error) {
	list, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return Attributes{Missing: Names()}, err
	}
	var found Attributes
	for _, name := range Names() {
		is, registered := list.GetCustomAttributes()[name]
		switch {
		case !registered:
			found.Missing = append(found.Missing, name)
		case is != wanted[name]:
			return Attributes{Missing: Names()}, &WrongType{Name: name, Namespace: namespace, Is: is.String(), Wanted: wanted[name].String()}
		default:
			found.Present = append(found.Present, name)
		}
	}
	return found, nil
}

// patience bounds how long a registered attribute may take until it can be used; Temporal's servers look for new ones now and then.
const (
	patience = 30 * time.Second
	poll     = 100 * time.Millisecond
)

// Register registers what is missing and returns when it can be used. Several may do so at once.
func Register(ctx context.Context, c client.Client, namespace string, missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	add := map[string]enumspb.IndexedValueType{}
	for _, name := range missing {
		add[name] = wanted[name]
	}
	_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: add})
	if _, already := errors.AsType[*serviceerror.AlreadyExists](err); err != nil && !already {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		found, err := Look(ctx, c, namespace)
		if err != nil || len(found.Missing) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return &NotSeen{Names: found.Missing, Namespace: namespace}
		case <-tick.C:
		}
	}
}

// MayNot says whether an error means that the caller is not allowed to do it, or that the server leaves it to another program, as
// Temporal Cloud does.
func MayNot(err error) bool {
	code := status.Code(err)
	if service, ok := errors.AsType[serviceerror.ServiceError](err); ok {
		code = service.Status().Code()
	}
	return code == codes.PermissionDenied || code == codes.Unauthenticated || code == codes.Unimplemented
}

// Prepare gives what a worker may use: it looks, and registers what is missing, if it may. A warning says what is missing all the same;
// rotations work without. Only a wrong type is an error.
func Prepare(ctx context.Context, c client.Client, namespace string) (present []string, warning string, err error) {
	found, err := Look(ctx, c, namespace)
	if wrong, ok := errors.AsType[*WrongType](err); ok {
		return nil, "", wrong
	}
	if err == nil && len(found.Missing) > 0 {
		if err = Register(ctx, c, namespace, found.Missing); err == nil {
			found, err = Look(ctx, c, namespace)
		}
	}
	if err == nil {
		return found.Present, "", nil
	}
	why := "Temporal did not answer"
	if MayNot(err) {
		why = "this worker may not register them"
	}
	return found.Present, fmt.Sprintf("namespace %s lacks the search attributes %s, and %s: rotations can't be found by them; register them with starter setup, then restart the workers",
		namespace, strings.Join(found.Missing, ", "), why), nil
}
