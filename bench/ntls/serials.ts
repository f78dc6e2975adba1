// The one HSM that the server serves, and its one partition.
export const HSM_SERIAL = 500409n
export const PARTITION_SERIAL = '500409009'
