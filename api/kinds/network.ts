// What a machine may reach over the network. Invariant: what is not said is denied.
import { z } from 'zod';
import { type CelRule, celRules } from './meta.ts';

export const egressPolicies = ['none', 'restricted', 'open'] as const;
export type Egress = (typeof egressPolicies)[number];

const octet = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const cidrPattern = new RegExp(`^(${octet}[.]){3}${octet}/(3[0-2]|[12]?[0-9])$`);
const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const domainPattern = new RegExp(`^([*][.])?(${label}[.])+${label}$`);

export const networkRule = z
  .object({
    cidr: z
      .string()
      .max(18)
      .regex(cidrPattern, 'must be IPv4 addresses such as 203.0.113.0/24')
      .optional()
      .meta({ description: 'IPv4 addresses, such as 203.0.113.0/24.' }),
    domain: z
      .string()
      .max(253)
      .regex(domainPattern, 'must be a name such as example.com or *.example.com, in lower case')
      .optional()
      .meta({ description: 'A name, such as example.com; *.example.com is all below it, but not itself.' }),
    ports: z
      .array(z.int().min(1).max(65535).meta({ description: 'A port.' }))
      .min(1)
      .max(16)
      .optional()
      .meta({ description: 'Ports of TCP and UDP. Default: all.', 'x-kubernetes-list-type': 'atomic' }),
  })
  .refine(({ cidr, domain }) => (cidr === undefined) !== (domain === undefined), 'needs either cidr or domain')
  .meta({
    description: 'Something that may be reached: either addresses or a name.',
    ...celRules({ rule: 'has(self.cidr) != has(self.domain)', message: 'needs either cidr or domain' }),
  });

/** The rule of whatever has a networkSpec. */
export const allowNeedsRestricted: CelRule = {
  rule: "!has(self.allow) || self.egress == 'restricted'",
  message: 'allow needs egress: restricted',
  fieldPath: '.allow',
};

export const networkSpec = z
  .object({
    egress: z
      .enum(egressPolicies)
      .default('none')
      .meta({
        description:
          'none: no network interface. restricted: what allow lists. open: all public addresses. Default: none. The host, ' +
          'its machines and link-local addresses are never reached.',
      }),
    allow: z
      .array(networkRule)
      .max(64)
      .optional()
      .meta({ description: 'What may be reached when egress is restricted.', 'x-kubernetes-list-type': 'atomic' }),
  })
  .refine(({ egress, allow }) => allow === undefined || egress === 'restricted', {
    message: 'allow needs egress: restricted',
    path: ['allow'],
  })
  .meta({ description: 'What the machine may reach.' });
export type NetworkSpec = z.infer<typeof networkSpec>;
