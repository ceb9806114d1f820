package embedded

import (
	"os"
	"strings"
	"testing"
)

func TestApplySecrets(t *testing.T) {
	config, err := Parse([]byte("version: 0.1\nstorage: {s3: {bucket: b}, delete: {enabled: true}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SESSION_TOKEN", "")
	err = applySecrets(config, map[string]string{
		"REGISTRY_STORAGE_S3_ACCESSKEY": `"key"`, "REGISTRY_STORAGE_S3_SECRETKEY": `"0123: #\"x\u0026"`, "AWS_SESSION_TOKEN": "token",
	})
	if err != nil {
		t.Fatal(err)
	}
	s3 := config.Storage["s3"]
	if s3["bucket"] != "b" || s3["accesskey"] != "key" || s3["secretkey"] != `0123: #"x&` {
		t.Errorf("the parameters are %v", s3)
	}
	if os.Getenv("AWS_SESSION_TOKEN") != "token" {
		t.Error("the session token is not in the environment")
	}
	for _, secrets := range []map[string]string{
		{"REGISTRY_STORAGE_AZURE_ACCOUNTKEY": "word"}, {"REGISTRY_STORAGE_S3_SECRETKEY": `"word`}, {"A=B": "word"},
	} {
		if err := applySecrets(config, secrets); err == nil || strings.Contains(err.Error(), "word") {
			t.Errorf("%v: %v", secrets, err)
		}
	}
}
