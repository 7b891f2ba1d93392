// Performs every operation with the types that openapi-typescript makes, and prints each status.
// Arguments: the gateway's URL, the provider, the scope, the platform's gateway, the bodies as JSON.
import createClient from 'openapi-fetch'
import type { components, paths } from './api.js'

declare const process: { argv: string[] }

type Schemas = components['schemas']

type Bodies = {
  apply_secret: Schemas['SecretManifest']
  apply_controller: Schemas['ControllerManifest']
  apply_service: Schemas['ServiceManifest']
  apply_http_route: Schemas['HttpRouteManifest']
}

const [, , baseUrl, provider, scope, gateway, json] = process.argv as [
  string, string, string, string, string, string, string
]
const bodies = JSON.parse(json) as Bodies
const client = createClient<paths>({ baseUrl })
const all = { provider, scope }

type Answer<T> = { data?: T, error?: Schemas['Problem'], response: Response }

function done<T> (name: string, { data, error, response }: Answer<T>): T | undefined {
  const said = error === undefined ? '' : `: ${error.code}: ${error.message}`
  console.log(`${name} ${response.status}${said}`)
  return data
}

function workload (version: string): Schemas['Workload'] {
  return {
    name: `hello-${version}`,
    appName: 'hello',
    version,
    image: `registry.example/hello:${version}`,
    minReplicas: 1,
    ports: { app: 3042, metrics: 9090 },
    resources: { limits: { cpu: 1, memory: '2Gi' } },
    healthCheck: { readyPath: '/ready', port: 'metrics' },
    env: [{ name: 'GREETING', value: 'hello' }],
    labels: { tier: 'web' }
  }
}

const plan: Schemas['RoutePlan'] = {
  appName: 'hello',
  hostname: 'hello.example.org',
  generation: 7,
  rules: [
    {
      match: { kind: 'header', name: 'x-deployment-id', value: 'v1' },
      backend: { serviceName: 'hello-v1' },
      versionId: 'v1'
    },
    { match: { kind: 'default' }, backend: { serviceName: 'hello-v2' }, versionId: 'v2' }
  ]
}

const inScope = { params: { path: all } }
const named = (name: string) => ({ params: { path: { ...all, name } } })

done('apply_secret', await client.PUT('/{provider}/secrets/{scope}', {
  ...inScope, body: bodies.apply_secret
}))
done('apply_controller', await client.PUT('/{provider}/controllers/{scope}', {
  ...inScope, body: bodies.apply_controller
}))
done('apply_service', await client.PUT('/{provider}/services/{scope}', {
  ...inScope, body: bodies.apply_service
}))
const gateways = done('list_gateways', await client.GET('/{provider}/gateway/gateways/{scope}', inScope))
if (gateways?.[0]?.metadata.name !== gateway) throw new Error(`expected the gateway ${gateway}`)
done('apply_http_route', await client.PUT('/{provider}/gateway/httproutes/{scope}', {
  ...inScope, body: bodies.apply_http_route
}))
for (const version of ['v1', 'v2']) {
  const applied = done('apply_workload', await client.PUT('/{provider}/workloads/{scope}', {
    ...inScope, body: workload(version)
  }))
  if (applied?.created !== true) throw new Error('expected a new workload')
}
const machines = done('get_machines', await client.GET('/{provider}/machines/{scope}', {
  params: { path: all, query: { labels: ['app.kubernetes.io/instance=hello-v2'] } }
}))
const id = machines?.[0]?.id
if (id === undefined) throw new Error('expected a machine')
done('get_machine', await client.GET('/{provider}/machines/{scope}/{id}', {
  params: { path: { ...all, id } }
}))
const set = done('set_machine_labels', await client.PATCH('/{provider}/machines/{scope}/{id}/labels', {
  params: { path: { ...all, id } }, body: { labels: { canary: 'yes', old: null } }
}))
if (set?.labels['canary'] !== 'yes') throw new Error('expected the label')
const found = done('get_controllers', await client.GET('/{provider}/controllers/{scope}', {
  params: { path: all, query: { machineId: id } }
}))
if (found?.controllers[0]?.name !== 'hello-v2') throw new Error('expected the controller')
done('get_controller', await client.GET('/{provider}/controllers/{scope}/{name}', named('hello-v2')))
const scaled = done('update_controller_replicas', await client.POST('/{provider}/controllers/{scope}/{name}', {
  ...named('hello-v2'), body: { replicas: 3 }
}))
if (scaled?.replicas !== 3) throw new Error('expected three replicas')
const services = done('get_services_by_labels', await client.GET('/{provider}/services/{scope}', {
  params: { path: all, query: { labels: ['plt.dev/version=v2'] } }
}))
if (services?.[0]?.ports[0]?.port !== 3042) throw new Error('expected the port 3042')
const applied = done('apply_route_plan', await client.PUT('/{provider}/gateway/routeplans/{scope}', {
  ...inScope, body: plan
}))
if (applied?.created !== 2) throw new Error('expected two rules')
const route = done('get_http_route', await client.GET('/{provider}/gateway/httproutes/{scope}/{name}', named('hello')))
if (route?.spec.hostnames?.[0] !== 'hello.example.org') throw new Error('expected the host name')
done('delete_http_route', await client.DELETE('/{provider}/gateway/httproutes/{scope}/{name}', named('hello')))
done('delete_service', await client.DELETE('/{provider}/services/{scope}/{name}', named('hello-v1')))
const deleted = done('delete_controller', await client.DELETE('/{provider}/controllers/{scope}/{name}', named('hello-v1')))
if (deleted?.deleted !== true) throw new Error('expected the controller to be deleted')
