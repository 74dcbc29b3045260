// Asks an IAM simulator what the policies that Terraform wrote allow: evaluate.mjs FILE.policies
//
// The simulator knows AWS' policy language, session tags included, and is nobody of ours: a policy that only looks
// right is found out. It is a tool of the tests (AGPL) and no part of what is shipped.
import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const account = '111122223333'
const { operator_policy, drives_policy } = JSON.parse(readFileSync(process.argv[2], 'utf8'))

// With `opened`, the bucket's own policy lets everybody do everything, as one who may write it could have arranged.
const ask = async (policy, action, resource, tags, owner = account, opened = owner !== account) => {
  const answer = await runSimulation({
    request: {
      action,
      principal: `arn:aws:sts::${account}:assumed-role/mocked/eks-session`,
      resource: { resource: `arn:aws:s3:::${resource}`, accountId: owner },
      contextVariables: {
        'aws:ResourceAccount': owner,
        ...Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:PrincipalTag/${key}`, value])),
      },
    },
    identityPolicies: [{ name: 'policy', policy }],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    // Another account that wants in would open its bucket with a policy of its own.
    resourcePolicy: !opened ? undefined : {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: ['arn:aws:s3:::*', 'arn:aws:s3:::*/*'] }],
    },
  }, {})
  if (answer.resultType === 'error') throw new Error(`${action} on ${resource}: ${JSON.stringify(answer.errors)}`)
  return (answer.overallResult ?? answer.result?.evaluationResult ?? answer.analysis?.result) === 'Allowed'
}

const spo = { 'kubernetes-namespace': 'spo', 'kubernetes-service-account': 'placements-2026', 'eks-cluster-name': 'campus' }
const own = 'ras-spo-placements-2026-resumes-0123456789'
const promises = [
  // [what is promised, policy, action, resource, session tags, allowed?, account of the bucket]
  ['a drive reads its own objects', drives_policy, 's3:GetObject', `${own}/cv.pdf`, spo, true],
  ['a drive writes its own objects', drives_policy, 's3:PutObject', `${own}/cv.pdf`, spo, true],
  ['a drive deletes its own objects', drives_policy, 's3:DeleteObject', `${own}/cv.pdf`, spo, true],
  ['a drive lists its own bucket', drives_policy, 's3:ListBucket', own, spo, true],
  ['a drive reads no bucket of another namespace', drives_policy, 's3:GetObject', 'ras-arts-placements-2026-resumes-0123456789/cv.pdf', spo, false],
  ['a drive lists no bucket of another namespace', drives_policy, 's3:ListBucket', 'ras-arts-placements-2026-resumes-0123456789', spo, false],
  ['a namespace whose name begins the same is another one', drives_policy, 's3:GetObject', 'ras-spoons-x-resumes-0123456789/cv.pdf', spo, false],
  ['a drive reads no bucket beside the prefix', drives_policy, 's3:GetObject', 'campus-backup-111122223333/dump', spo, false],
  ['a drive reads no bucket of another account', drives_policy, 's3:GetObject', `${own}/cv.pdf`, spo, false, '999988887777'],
  ['a drive deletes no bucket', drives_policy, 's3:DeleteBucket', own, spo, false],
  ['a drive changes no policy of a bucket', drives_policy, 's3:PutBucketPolicy', own, spo, false],
  ['a drive deletes no old version', drives_policy, 's3:DeleteObjectVersion', `${own}/cv.pdf`, spo, false],
  ['without session tags nothing is allowed', drives_policy, 's3:GetObject', `${own}/cv.pdf`, {}, false],
  ['a namespace that looks like a wildcard matches nothing', drives_policy, 's3:GetObject', `${own}/cv.pdf`, { 'kubernetes-namespace': '*' }, false],
  ['the operator makes buckets with its prefix', operator_policy, 's3:CreateBucket', own, {}, true],
  ['the operator sets them up', operator_policy, 's3:PutBucketPublicAccessBlock', own, {}, true],
  ['the operator empties and deletes them', operator_policy, 's3:DeleteObjectVersion', `${own}/cv.pdf`, {}, true],
  ['the operator makes no bucket beside its prefix', operator_policy, 's3:CreateBucket', 'campus-state-111122223333', {}, false],
  ['the operator deletes no bucket beside its prefix', operator_policy, 's3:DeleteBucket', 'campus-backup-111122223333', {}, false],
  ['the operator deletes no backup', operator_policy, 's3:DeleteObject', 'campus-backup-111122223333/dump', {}, false],
  ['the operator reads no object', operator_policy, 's3:GetObject', `${own}/cv.pdf`, {}, false],
  ['the operator writes no object', operator_policy, 's3:PutObject', `${own}/cv.pdf`, {}, false],
  ['the operator reads no object whatever a bucket policy says', operator_policy, 's3:GetObject', `${own}/cv.pdf`, {}, false, account, true],
  ['the operator reads no old version whatever a bucket policy says', operator_policy, 's3:GetObjectVersion', `${own}/cv.pdf`, {}, false, account, true],
  ['the operator writes no object whatever a bucket policy says', operator_policy, 's3:PutObject', `${own}/cv.pdf`, {}, false, account, true],
  ['the operator sends no objects elsewhere whatever a bucket policy says', operator_policy, 's3:PutReplicationConfiguration', own, {}, false, account, true],
]

let broken = 0
for (const [promise, policy, action, resource, tags, wanted, owner, opened] of promises) {
  if (await ask(policy, action, resource, tags, owner, opened) !== wanted) {
    broken += 1
    console.log(`  broken: ${promise}: ${action} on ${resource} is ${wanted ? 'not allowed' : 'allowed'}`)
  }
}
console.log(`${broken ? 'FAILED' : 'ok    '} policies: ${promises.length - broken} of ${promises.length} promises kept`)
process.exit(broken ? 1 : 0)
