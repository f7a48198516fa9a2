{{- define "labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Pod Security Standards, "restricted"; for containers and init containers alike. */ -}}
{{- define "confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "account" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* What the operator's ceremony made lies in a secret, and is laid into the data directory at each start: every
instance has the same. caps.mark is laid once; then it is the server's. */ -}}
{{- define "lay" -}}
import os, pathlib
os.umask(0o077)
data, laid = pathlib.Path("/var/lib/sealmatch/data"), pathlib.Path("/run/laid")
data.mkdir(mode=0o700, exist_ok=True)
for file in laid.iterdir():
    own = data / file.name
    if file.is_file() and not (own.name == "caps.mark" and own.exists()):
        new = data / f"{file.name}.new"
        new.write_bytes(file.read_bytes())
        new.replace(own)
{{- end }}
