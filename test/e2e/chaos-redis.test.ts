import { REDIS_CASES } from '../chaos/redis-cases.js';
import { holdAll } from '../chaos/holds.js';

describe('Faults of Redis', () => holdAll(REDIS_CASES));
