package awsrds

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"

	"rotor/internal/cloudsim/cloudapi"
)

const namespace = "http://rds.amazonaws.com/doc/2014-10-31/"

func denied(c *cloudapi.Call, action, resource string) cloudapi.Reply {
	return Refuse(http.StatusForbidden, "AccessDenied", fmt.Sprintf("User: arn:aws:iam::%s:user/%s is not authorized to "+
		"perform: %s on resource: %s because no identity-based policy allows the %s action",
		c.Account, c.AccessKey, action, resource, action), c.RequestID)
}

// Refuse renders an error of the query protocol.
func Refuse(status int, code, message, requestID string) cloudapi.Reply {
	type failure struct{ Type, Code, Message string }
	kind := "Sender"
	if status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	reply := document(status, struct {
		XMLName   xml.Name `xml:"http://rds.amazonaws.com/doc/2014-10-31/ ErrorResponse"`
		Error     failure
		RequestID string `xml:"RequestId"`
	}{Error: failure{kind, code, message}, RequestID: requestID})
	reply.Code = code
	return reply
}

// answer wraps a result as <XxxResponse><XxxResult>.
func answer(c *cloudapi.Call, result any) cloudapi.Reply {
	var inner bytes.Buffer
	enc := xml.NewEncoder(&inner)
	if err := enc.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: c.Action + "Result"}}); err != nil {
		panic("cloudsim: an answer that is no XML: " + err.Error())
	}
	return document(http.StatusOK, struct {
		XMLName xml.Name
		Inner   string `xml:",innerxml"`
	}{
		XMLName: xml.Name{Space: namespace, Local: c.Action + "Response"},
		Inner:   inner.String() + "<ResponseMetadata><RequestId>" + c.RequestID + "</RequestId></ResponseMetadata>",
	})
}

func document(status int, content any) cloudapi.Reply {
	body, err := xml.Marshal(content)
	if err != nil {
		panic("cloudsim: an answer that is no XML: " + err.Error())
	}
	return cloudapi.Reply{Status: status, Body: append([]byte(xml.Header), body...),
		Header: http.Header{"Content-Type": {"text/xml"}}}
}
