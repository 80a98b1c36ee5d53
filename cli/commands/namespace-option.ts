// -n, --namespace: the same option for every command that is about one namespace.
import { Option } from 'commander';

/** Without it TVM_NAMESPACE holds, and without that the server's default. */
export function namespaceOption(description = 'namespace'): Option {
  return new Option('-n, --namespace <name>', description).env('TVM_NAMESPACE');
}

/** For a path: "?namespace=NAME", or nothing. */
export function namespaceQuery({ namespace }: { namespace?: string }): string {
  return namespace === undefined ? '' : `?namespace=${encodeURIComponent(namespace)}`;
}
