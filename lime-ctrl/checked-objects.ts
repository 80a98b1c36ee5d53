// The objects as controllers may rely on them. An API server validates them by their CRDs; what was written around that, or
// before a rule was there, is caught here. Invariant: what is handed on has the shape of its type, whatever was stored; its
// spec, when it is a stand-in, is never written back.
import type { KubeObject } from '@tvm/api/kinds/meta.ts';
import { z } from 'zod';

interface Schemas<Spec> {
  spec: z.ZodType;
  status: z.ZodType;
  /** Harmless, in the place of a spec that means nothing. */
  standIn: (spec: unknown) => Spec;
}

/** Why the spec of an object means nothing; kept beside the objects, since they are written as they are. */
const reasons = new WeakMap<object, string>();
const maxReasonLength = 500;

/** For a reflector: the object itself when it is sound. */
export function checkedBy<Spec, Status>(schemas: Schemas<Spec>) {
  return (object: KubeObject<Spec, Status>): KubeObject<Spec, Status> => {
    const spec = schemas.spec.safeParse(object.spec);
    const status = schemas.status.safeParse(object.status ?? {});
    if (spec.success && status.success) return object;
    const checked = { ...object };
    // What was last seen can be seen again.
    if (!status.success) delete checked.status;
    if (!spec.success) {
      checked.spec = schemas.standIn(object.spec);
      reasons.set(checked, z.prettifyError(spec.error).replaceAll(/\s+/g, ' ').slice(0, maxReasonLength));
    }
    return checked;
  };
}

/** Why the spec of an object from a reflector cannot be used; undefined: it can. */
export function whyInvalid(object: object | undefined): string | undefined {
  return object && reasons.get(object);
}
