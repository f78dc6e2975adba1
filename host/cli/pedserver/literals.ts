// What pedserver prints. Ranks as in host/lunacm/literals.ts: D = vendor documentation, I = inferred, R = reconstructed.

export const literals = {
  /** D. */
  version: 'Ped Server Version 1.0.6 (10006)',
  /** D for start and show, R for the others. */
  launched: {
    start: 'Ped Server launched in startup mode.',
    stop: 'Ped Server launched in shutdown mode.',
    show: 'Ped Server launched in status mode.',
    config: 'Ped Server launched in configuration mode.',
    connect: 'Ped Server launched in connect mode.',
    disconnect: 'Ped Server launched in disconnect mode.',
  },
  /** D. */
  starting: [
    'Starting background process',
    'Background process started',
    'Ped Server Process created, exiting this process.',
  ],
  /** R. */
  stopped: 'Ped Server shutdown.',
  /** R. */
  connected: 'Ped Server connected.',
  /** R, as all of the appliances. */
  registered: (name: string) => `Appliance ${name} registered.`,
  deleted: (name: string) => `Appliance ${name} deleted.`,
  noAppliances: 'No appliances are registered.',
  regenerated: (path: string) => ['New key and certificate made.', `Certificate: ${path}`],
  /** R. */
  disconnected: 'Ped Server disconnected.',
  /** D for the heading and the names of the first fields, R for the layout of the values. */
  information: '   Server Information:',
  /** D: the firmware of the PED in the vendor's example. */
  firmware: '2.7.1-5',
} as const
