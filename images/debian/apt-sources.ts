// Which Debian archives the host's apt uses, as a sources list for a new root. Invariant: only Debian's own archives of one
// suite are named, at the addresses (mirrors) that the host has for them; third-party sources never are.
import { TvmError } from '@tvm/api/errors.ts';

/** The `--format` for `apt-get indextargets` that parseIndexTargets reads. */
export const indexTargetFormat = '$(CREATED_BY)|$(ORIGIN)|$(LABEL)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)';

export interface ArchiveTarget {
  label: string;
  /** `bookworm`, `bookworm-security`. */
  codename: string;
  /** As written in the host's sources: a codename, or `stable`. */
  release: string;
  component: string;
  uri: string;
}

/** Debian's own package indexes among the lines of `apt-get indextargets`. */
export function parseIndexTargets(output: string): ArchiveTarget[] {
  return output
    .split('\n')
    .map((line) => line.split('|'))
    .filter(([createdBy, origin]) => createdBy === 'Packages' && origin === 'Debian')
    .map(([, , label = '', codename = '', release = '', component = '', uri = '']) => ({
      label,
      codename,
      release,
      component,
      uri,
    }))
    .filter(({ label }) => label === 'Debian' || label === 'Debian-Security');
}

/**
 * The sources list for a root of the host's suite (main only), and that suite. `keyring` may be undefined: then apt's default
 * keys count. Throws `failed_precondition` when the host's apt knows no Debian archive.
 */
export function planSources(targets: ArchiveTarget[], hostCodename: string, keyring: string | undefined) {
  const suites = new Set(['', '-updates', '-security'].map((suffix) => hostCodename + suffix));
  const fitting = targets.filter(({ codename, component }) => suites.has(codename) && component === 'main');
  if (!fitting.some(({ codename }) => codename === hostCodename)) {
    throw new TvmError(
      'failed_precondition',
      `apt on this host knows no Debian archive for ${hostCodename || 'its suite'}`,
      {
        reason: 'NoDebianArchive',
        hint: 'Default images are made from Debian packages: run apt-get update on a Debian host, or use an OCI image.',
      },
    );
  }
  const options = keyring ? `[signed-by=${keyring}] ` : '';
  const lines = fitting.map(({ uri, codename }) => `deb ${options}${uri} ${codename} main`);
  return { suite: hostCodename, list: `${[...new Set(lines)].join('\n')}\n` };
}

const carriedSetting =
  /^Acquire::((http|https)::(Proxy|CaInfo)(::[^ ]+)?|Check-Valid-Until|Check-Date|Retries) "[^"]+";$/;

/** Settings of the host (`apt-config dump`) that apt needs to reach the archives: proxies, certificates, clock checks. */
export function carriedAptSettings(dump: string): string[] {
  return dump
    .split('\n')
    .filter((line) => carriedSetting.test(line))
    .map((line) => line.replace(/;$/, ''));
}
