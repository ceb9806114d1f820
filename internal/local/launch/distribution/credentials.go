package distribution

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"unicode"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// azureKeyVar is where Azure's own tools look for the key of a storage account.
const azureKeyVar = "AZURE_STORAGE_KEY"

// storageCredentials returns the file of the credentials of the storage, and the
// path of the attribute that names it.
func storageCredentials(l *resolve.Local) (file resolve.Secret, path string) {
	switch {
	case l.S3 != nil:
		return l.S3.Credentials, "local.storage_config.s3.credentials_path"
	case l.Azure != nil:
		return l.Azure.Credentials, "local.storage_config.azure.credentials_path"
	}
	return file, ""
}

// checkStorage reads the credentials of the storage to see that they can be
// used, and forgets them.
func checkStorage(t *resolve.Target) (faults diag.List) {
	if read := secrets(t); read != nil {
		if _, err := read(); err != nil {
			_, path := storageCredentials(t.Local)
			faults = append(faults, at(t, path, err))
		}
	}
	return faults
}

// secrets returns what reads the credentials of the storage, as variables for
// distribution, or nil when the storage needs none from berth: S3 finds those of
// the environment by itself.
func secrets(t *resolve.Target) func() (map[string]string, error) {
	file, path := storageCredentials(t.Local)
	switch {
	case t.Local.S3 != nil && file.IsSet():
		return func() (map[string]string, error) { return s3Secrets(t, file, path) }
	case t.Local.Azure != nil && (file.IsSet() || os.Getenv(azureKeyVar) != ""):
		return func() (map[string]string, error) { return azureSecrets(t, file, path) }
	}
	return nil
}

func s3Secrets(t *resolve.Target, file resolve.Secret, path string) (map[string]string, error) {
	text, err := file.Read()
	if err != nil {
		return nil, at(t, path, err)
	}
	k, err := parseS3Keys(text)
	if err != nil {
		return nil, t.Fault(diag.CredentialUnread, path, "%s holds no access key and secret: %w", file.File(), err).
			WithHint("write KEY:SECRET, or one on each of two lines, or a profile as in ~/.aws/credentials")
	}
	if k.token != "" { // which distribution's driver takes from the environment only
		return map[string]string{"AWS_ACCESS_KEY_ID": k.access, "AWS_SECRET_ACCESS_KEY": k.secret, "AWS_SESSION_TOKEN": k.token}, nil
	}
	return map[string]string{
		"REGISTRY_STORAGE_S3_ACCESSKEY": yamlString(k.access),
		"REGISTRY_STORAGE_S3_SECRETKEY": yamlString(k.secret),
	}, nil
}

func azureSecrets(t *resolve.Target, file resolve.Secret, path string) (map[string]string, error) {
	key, from := os.Getenv(azureKeyVar), azureKeyVar
	if file.IsSet() {
		lines, err := file.Lines()
		if err != nil {
			return nil, at(t, path, err)
		}
		key, from = strings.Join(lines, "\n"), file.File()
	}
	if _, err := base64.StdEncoding.DecodeString(key); err != nil || strings.Contains(key, "\n") {
		return nil, t.Fault(diag.CredentialUnread, path, "%s holds no account key, which is one line of base64", from).
			WithHint("az storage account keys list prints the keys of an account; write the value of one")
	}
	return map[string]string{"REGISTRY_STORAGE_AZURE_ACCOUNTKEY": yamlString(key)}, nil
}

// yamlString quotes a value as distribution reads it from a variable: 0123 would
// be a number, and a: b a mapping. Strings of JSON are strings of YAML.
func yamlString(s string) string {
	data, _ := json.Marshal(s) // strings always can be
	return string(data)
}

// s3Keys are the credentials of S3; token is of temporary ones only.
type s3Keys struct{ access, secret, token string }

// parseS3Keys reads KEY:SECRET, one on each of two lines, or an AWS credentials
// file. Its errors hold nothing of text.
func parseS3Keys(text string) (k s3Keys, err error) {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	switch {
	case strings.HasPrefix(text, "[") || strings.Contains(text, "aws_access_key_id"):
		k, err = parseProfiles(lines)
	case len(lines) == 1:
		k.access, k.secret, _ = strings.Cut(lines[0], ":")
	case len(lines) == 2:
		k.access, k.secret = lines[0], lines[1]
	default:
		return k, errors.New("it has neither one line nor two, nor a profile")
	}
	switch {
	case err != nil:
		return k, err
	case k.access == "" || k.secret == "":
		return k, errors.New("one of them is missing")
	case strings.ContainsFunc(k.access+k.token, unicode.IsSpace), strings.ContainsFunc(k.access+k.secret+k.token, unicode.IsControl):
		return k, errors.New("there are characters in it that no key has")
	}
	return k, nil
}

// parseProfiles reads an AWS credentials file: the profile default, or the only
// one. Lines above the first profile count as default.
func parseProfiles(lines []string) (s3Keys, error) {
	profiles, name := map[string]s3Keys{}, "default"
	for _, line := range lines {
		if line[0] == '#' || line[0] == ';' {
			continue
		}
		if header, ok := strings.CutPrefix(line, "["); ok {
			header, _, _ = strings.Cut(header, "]")
			name = strings.TrimSpace(strings.TrimPrefix(header, "profile "))
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		k, value := profiles[name], strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "aws_access_key_id":
			k.access = value
		case "aws_secret_access_key":
			k.secret = value
		case "aws_session_token":
			k.token = value
		}
		profiles[name] = k
	}
	if k, ok := profiles["default"]; ok || len(profiles) == 0 {
		return k, nil
	}
	if len(profiles) > 1 {
		return s3Keys{}, errors.New("it has several profiles, and none is called default")
	}
	return profiles[name], nil
}
