import type { FastifyInstance } from 'fastify';
import type {} from '@fastify/swagger';
