{{/* Names: RELEASE-gateway, RELEASE-operator, RELEASE-recorder. A release's name may have dots, a Service's may not. */}}
{{- define "egress.fullname" -}}
{{- .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of everything. Takes (dict "root" $ "component" "gateway"). */}}
{{- define "egress.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: egress-operator
{{ include "egress.selectorLabels" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "egress.selectorLabels" -}}
app.kubernetes.io/name: egress-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of our own Pods: without the chart's version, so that a new chart alone restarts nothing. */}}
{{- define "egress.podLabels" -}}
{{ include "egress.selectorLabels" . }}
app.kubernetes.io/part-of: egress-operator
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image reference. Takes (dict "root" $ "image" .Values.image). */}}
{{- define "egress.image" -}}
{{- $name := .image.repository -}}
{{- if .image.registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" .image.registry) $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The watched namespaces, as a JSON list: read it with fromJsonArray. */}}
{{- define "egress.namespaces" -}}
{{- .Values.namespaces | default (list .Release.Namespace) | uniq | toJson -}}
{{- end -}}

{{- define "egress.gatewayNamespace" -}}
{{- .Values.gateway.namespace | default .Release.Namespace -}}
{{- end -}}

{{- define "egress.recorderServiceAccount" -}}
{{- if .Values.recorder.serviceAccount.create -}}
{{- .Values.recorder.serviceAccount.name | default (printf "%s-recorder" (include "egress.fullname" .)) -}}
{{- else -}}
{{- .Values.recorder.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* A name of the whole cluster's, where the class is made here: two releases must not share it. */}}
{{- define "egress.recorderPriorityClass" -}}
{{- $made := .Values.recorder.priorityClass.create | ternary (printf "%s-%s-recorder" (include "egress.fullname" .) .Release.Namespace) "" -}}
{{- .Values.recorder.priorityClassName | default $made -}}
{{- end -}}

{{/* The rules of one of the holders in files/rights.yaml. Takes (dict "root" $ "holder" "operator"). */}}
{{- define "egress.rules" -}}
{{- $rights := .root.Files.Get "files/rights.yaml" | fromYaml -}}
{{- range $i, $rule := index $rights .holder }}
{{- if $i }}{{ "\n" }}{{ end -}}
- apiGroups: {{ toJson $rule.apiGroups }}
  resources: {{ toJson $rule.resources }}
  verbs: {{ toJson $rule.verbs }}
{{- end -}}
{{- end -}}

{{/* What the operator reads as /etc/egress/operator.yaml. */}}
{{- define "egress.operatorConfig" -}}
{{- $recorder := .Values.recorder -}}
{{- $sources := dict "apps" .Values.sources.apps -}}
{{- if .Values.sources.default.url -}}
{{- $_ := set $sources "default" .Values.sources.default -}}
{{- end -}}
{{- $pod := pick $recorder "web" "presets" "resources" "spoolSize" "spoolMedium" "graceSeconds" "joinTimeoutSeconds" "labels" "annotations" "nodeSelector" "tolerations" "affinity" "doNotDisrupt" "runtimeClassName" -}}
{{- $_ := set $pod "image" (include "egress.image" (dict "root" . "image" $recorder.image)) -}}
{{- $_ := set $pod "imagePullPolicy" $recorder.image.pullPolicy -}}
{{- $_ := set $pod "imagePullSecrets" .Values.imagePullSecrets -}}
{{- $_ := set $pod "serviceAccountName" (include "egress.recorderServiceAccount" .) -}}
{{- $_ := set $pod "priorityClassName" (include "egress.recorderPriorityClass" .) -}}
{{- $config := deepCopy .Values.operator.settings -}}
{{- $_ := set $config "namespaces" (include "egress.namespaces" . | fromJsonArray) -}}
{{- $_ := set $config "region" .Values.region -}}
{{- $_ := set $config "placement" .Values.placement -}}
{{- $_ := set $config "store" .Values.store -}}
{{- $_ := set $config "sources" $sources -}}
{{- $_ := set $config "pages" (pick .Values.pages "default" "apps") -}}
{{- $webhooks := dict "apps" .Values.webhooks.apps -}}
{{- if .Values.webhooks.default.url -}}
{{- $_ := set $webhooks "default" .Values.webhooks.default -}}
{{- end -}}
{{- $_ := set $config "webhooks" $webhooks -}}
{{- $_ := set $config "tracing" .Values.tracing -}}
{{- $_ := set $config "recorder" $pod -}}
{{- $_ := set $config "metricsPort" 8080 -}}
{{- toYaml $config -}}
{{- end -}}

{{/* What a receiver of traces wants to know of the gateway and the operator, as an environment variable of theirs. */}}
{{- define "egress.tracingHeaders" -}}
{{- if and .Values.tracing.endpoint .Values.tracing.headersSecret -}}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .Values.tracing.headersSecret }}
      key: headers
      # A Secret that is missing costs traces, and nothing else.
      optional: true
{{- end -}}
{{- end -}}

{{/* Secrets with the signing secrets of webhooks, as a JSON list without repeats. */}}
{{- define "egress.webhookSecrets" -}}
{{- $secrets := list -}}
{{- if .Values.webhooks.default.url -}}{{- $secrets = append $secrets .Values.webhooks.default.secret -}}{{- end -}}
{{- range .Values.webhooks.apps -}}{{- $secrets = append $secrets .secret -}}{{- end -}}
{{- $secrets | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* "yes" where recorders of pages have a NetworkPolicy of their own. */}}
{{- define "egress.pagesPolicy" -}}
{{- if and .Values.recorder.web.image .Values.pages.networkPolicy.enabled -}}yes{{- end -}}
{{- end -}}

{{/* Every set of rules for pages, as a JSON list. */}}
{{- define "egress.pageRules" -}}
{{- $rules := list .Values.pages.default -}}
{{- range .Values.pages.apps -}}{{- $rules = append $rules . -}}{{- end -}}
{{- $rules | toJson -}}
{{- end -}}

{{/* Host and port of a store, where its options name an endpoint, as a JSON object. Takes a store's values. */}}
{{- define "egress.storeEndpoint" -}}
{{- $options := .options | default dict -}}
{{- $endpoint := $options.endpoint | default $options.aws_endpoint | default "" -}}
{{- $url := urlParse $endpoint -}}
{{- $host := regexReplaceAll ":[0-9]+$" $url.host "" -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "http" | ternary "80" "443") | int -}}
{{- dict "scheme" $url.scheme "host" $host "port" $port | toJson -}}
{{- end -}}

{{/* Every store, by the path of its values, as a JSON object: that of all apps, and those of single ones. */}}
{{- define "egress.stores" -}}
{{- $stores := dict "store" (omit .Values.store "apps") -}}
{{- range $app, $store := .Values.store.apps -}}{{- $_ := set $stores (printf "store.apps.%s" $app) $store -}}{{- end -}}
{{- $stores | toJson -}}
{{- end -}}

{{/* The ports that recorders of pages may reach at public addresses: those of the rules, and the stores'. */}}
{{- define "egress.pagePorts" -}}
{{- $ports := list -}}
{{- range $_, $values := include "egress.stores" . | fromJson -}}
{{- $store := include "egress.storeEndpoint" $values | fromJson -}}
{{- if not (hasPrefix "file://" $values.url) -}}{{- $ports = append $ports (int $store.port) -}}{{- end -}}
{{- end -}}
{{- range include "egress.pageRules" . | fromJsonArray -}}
{{- range .ports | default (list 80 443) -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- range .allow -}}
{{- with regexFind "^([^:]+|\\[.*\\]):[0-9]+$" . -}}{{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* The networks and addresses among the entries of allow, as a JSON list of networks. */}}
{{- define "egress.pageNetworks" -}}
{{- $networks := list -}}
{{- range include "egress.pageRules" . | fromJsonArray -}}
{{- range .allow -}}
{{- $address := regexReplaceAll "^\\[(.*)\\](:[0-9]+)?$" . "${1}" -}}
{{- if contains "/" . -}}{{- $networks = append $networks . -}}
{{- else if regexMatch "^[0-9]+(\\.[0-9]+){3}(:[0-9]+)?$" . -}}{{- $networks = append $networks (printf "%s/32" (regexReplaceAll ":[0-9]+$" . "")) -}}
{{- else if regexMatch ":.*:" $address -}}{{- $networks = append $networks (printf "%s/128" $address) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $networks | uniq | toJson -}}
{{- end -}}

{{/* The hosts among the entries of allow, as a JSON list: a NetworkPolicy can't name them. */}}
{{- define "egress.pageHosts" -}}
{{- $hosts := list -}}
{{- range include "egress.pageRules" . | fromJsonArray -}}
{{- range .allow -}}
{{- if not (or (contains "/" .) (regexMatch "^[0-9.]+(:[0-9]+)?$" .) (regexMatch ":.*:" .)) -}}{{- $hosts = append $hosts . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $hosts | uniq | toJson -}}
{{- end -}}

{{/* ConfigMaps that the gateway reads in mode jwt, by the folder below /etc/egress. */}}
{{- define "egress.gatewayConfigMaps" -}}
{{- $jwt := .Values.gateway.auth.jwt -}}
{{- $maps := dict -}}
{{- if has "jwt" .Values.gateway.auth.modes -}}
{{- if $jwt.jwksConfigMap -}}{{- $_ := set $maps "jwks" $jwt.jwksConfigMap -}}{{- end -}}
{{- if $jwt.caConfigMap -}}{{- $_ := set $maps "issuer-ca" $jwt.caConfigMap -}}{{- end -}}
{{- end -}}
{{- $maps | toJson -}}
{{- end -}}

{{/* Who may call, as EGRESS_GATEWAY_AUTH has it: of the modes that are off, nothing. */}}
{{- define "egress.gatewayAuth" -}}
{{- $auth := .Values.gateway.auth -}}
{{- $out := dict "modes" $auth.modes -}}
{{- if has "apiKeys" $auth.modes -}}
{{- $_ := set $out "apiKeys" (dict "folder" "/etc/egress/api-keys") -}}
{{- end -}}
{{- if has "jwt" $auth.modes -}}
{{- $jwt := pick $auth.jwt "issuer" "audience" "appsClaim" "leewaySeconds" -}}
{{- if $auth.jwt.jwksUrl -}}
{{- $_ := set $jwt "jwksUrl" $auth.jwt.jwksUrl -}}
{{- if $auth.jwt.caConfigMap -}}{{- $_ := set $jwt "caFile" "/etc/egress/issuer-ca/ca.crt" -}}{{- end -}}
{{- else -}}
{{- $_ := set $jwt "jwksFile" "/etc/egress/jwks/jwks.json" -}}
{{- end -}}
{{- $_ := set $out "jwt" $jwt -}}
{{- end -}}
{{- if has "kubernetes" $auth.modes -}}
{{- $_ := set $out "kubernetes" $auth.kubernetes -}}
{{- end -}}
{{- $out | toJson -}}
{{- end -}}

{{/* "yes" where the gateway has keys of the stores: to tell of what is gone, or to sign links. */}}
{{- define "egress.gatewayReads" -}}
{{- if or .Values.gateway.history.enabled .Values.gateway.links.enabled -}}yes{{- end -}}
{{- end -}}

{{/* The stores as the gateway reads them, for EGRESS_GATEWAY_HISTORY and _LINKS: folder and region as the operator's. */}}
{{- define "egress.gatewayStores" -}}
{{- $out := pick .Values.store "url" "folder" "options" -}}
{{- $_ := set $out "region" .Values.region -}}
{{- $apps := dict -}}
{{- range $app, $store := .Values.store.apps -}}
{{- $place := pick $store "url" "folder" "options" -}}
{{- $_ := set $place "credentialsDir" (printf "/run/egress/stores/%s" $app) -}}
{{- $_ := set $apps $app $place -}}
{{- end -}}
{{- with $apps -}}{{- $_ := set $out "apps" . -}}{{- end -}}
{{- $out | toJson -}}
{{- end -}}

{{/* What the gateway mounts of the stores, as a JSON list of {name, path, secret or claim}. */}}
{{- define "egress.gatewayStoreMounts" -}}
{{- $mounts := list -}}
{{- if include "egress.gatewayReads" . -}}
{{- with .Values.gateway.history.credentialsSecret | default .Values.store.credentialsSecret -}}
{{- $mounts = append $mounts (dict "name" "store-credentials" "path" "/run/egress/store" "secret" .) -}}
{{- end -}}
{{- with .Values.store.volumeClaim -}}
{{- $mounts = append $mounts (dict "name" "store" "path" (urlParse $.Values.store.url).path "claim" .) -}}
{{- end -}}
{{- /* An app id is no name of a volume: it may have dots and capitals. */}}
{{- range $number, $app := keys .Values.store.apps | sortAlpha -}}
{{- $store := index $.Values.store.apps $app -}}
{{- with $store.credentialsSecret -}}
{{- $mounts = append $mounts (dict "name" (printf "store-credentials-%d" $number) "path" (printf "/run/egress/stores/%s" $app) "secret" .) -}}
{{- end -}}
{{- with $store.volumeClaim -}}
{{- $mounts = append $mounts (dict "name" (printf "store-%d" $number) "path" (urlParse $store.url).path "claim" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $mounts | toJson -}}
{{- end -}}

{{/* What every Pod of ours has: it runs where the restricted Pod Security Standard is enforced. */}}
{{- define "egress.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.scheduling }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "egress.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}
