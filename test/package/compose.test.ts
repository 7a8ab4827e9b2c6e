import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { VARIABLES } from '../../src/server/config.js';

const ROOT = resolve(import.meta.dirname, '../..');
const MONITORING = 'docs/monitoring';

interface ComposeService {
  build?: string;
  image?: string;
  environment?: Record<string, string>;
  volumes?: string[];
  ports?: string[];
  depends_on?: string[];
  secrets?: string[];
}

interface Compose {
  services: Record<string, ComposeService>;
  volumes: Record<string, null>;
  secrets: Record<string, { environment: string }>;
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const compose = parse(read('docker-compose.yml')) as Compose;
const services = Object.entries(compose.services);

describe('docker-compose.yml', () => {
  it('has the service, Qdrant, Prometheus and Grafana, each image with a version', () => {
    expect(services.map(([name]) => name)).toEqual(['service', 'qdrant', 'prometheus', 'grafana']);
    for (const [name, { build, image }] of services) {
      if (build !== undefined) expect(existsSync(join(ROOT, build, 'Dockerfile'))).toBe(true);
      else expect(image, name).toMatch(/:v?\d+\.\d+\.\d+$/);
    }
  });

  it('publishes ports on loopback only', () => {
    for (const [, { ports = [] }] of services)
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('mounts files that exist and volumes that are declared, and waits for services that there are', () => {
    for (const [name, { volumes = [], depends_on = [], secrets = [] }] of services) {
      for (const mount of volumes) {
        const source = mount.split(':')[0]!;
        // The user's vectors are not in the repository.
        if (source === './vectors') continue;
        const isThere = source.startsWith('.') ? existsSync(join(ROOT, source)) : source in compose.volumes;
        expect(isThere, `${name}: ${source}`).toBe(true);
      }
      for (const other of depends_on) expect(compose.services).toHaveProperty(other);
      for (const secret of secrets) expect(compose.secrets).toHaveProperty(secret);
    }
  });

  it('sets variables that the service reads, and asks for secrets instead of bringing them', () => {
    const known = new Set<string>(VARIABLES.map(({ name }) => name));
    const environment = compose.services.service!.environment!;
    expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([]);
    expect(environment.VBO_API_KEYS).toMatch(/^\$\{VBO_API_KEYS:\?/);
    expect(compose.services.grafana!.environment!.GF_SECURITY_ADMIN_PASSWORD).toMatch(/^\$\{\w+:\?/);
  });

  it('lets runs write to its own Qdrant and read the mounted folder', () => {
    const { environment, volumes } = compose.services.service!;
    const host = new URL(environment!.VBO_ALLOWED_SINKS!).hostname;
    expect(compose.services).toHaveProperty(host);
    expect(volumes!.map((mount) => mount.split(':')[1])).toContain(environment!.VBO_ALLOWED_SOURCES);
  });
});

describe('the monitoring’s files', () => {
  it('let Prometheus scrape the service with the key and read the rules that are mounted', () => {
    const config = parse(read(`${MONITORING}/prometheus.yml`)) as {
      rule_files: string[];
      scrape_configs: {
        http_headers: Record<string, { files: string[] }>;
        static_configs: { targets: string[] }[];
      }[];
    };
    const [scrape] = config.scrape_configs;
    expect(scrape!.static_configs[0]!.targets).toEqual(['service:8001']);
    expect(scrape!.http_headers['x-api-key']!.files).toEqual(['/run/secrets/vbo_api_key']);
    const mounts = compose.services.prometheus!.volumes!.map((mount) => mount.split(':')[1]);
    for (const file of config.rule_files) expect(mounts).toContain(`/etc/prometheus/${file}`);
  });

  it('point Grafana to Prometheus and to the folder with the dashboard', () => {
    const source = parse(read(`${MONITORING}/provisioning/datasources/prometheus.yml`)) as {
      datasources: { uid: string; url: string }[];
    };
    expect(source.datasources).toMatchObject([{ uid: 'prometheus', url: 'http://prometheus:9090' }]);
    const provider = parse(read(`${MONITORING}/provisioning/dashboards/dashboards.yml`)) as {
      providers: { options: { path: string } }[];
    };
    const targets = compose.services.grafana!.volumes!.map((mount) => mount.split(':')[1]!);
    const { path } = provider.providers[0]!.options;
    expect(
      targets.filter((target) => target.startsWith(`${path}/`) && target.endsWith('.json')),
    ).toHaveLength(1);
  });
});
